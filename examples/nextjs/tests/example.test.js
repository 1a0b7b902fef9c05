// The example as it is deployed (`next build`, `next start`), before the real server, in a real Chromium.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createServer, request } from 'node:http';
import { after, afterEach, before, test } from 'node:test';
import { promisify } from 'node:util';
import { openBrowser, send } from '../../../tests/browser/support/browser.js';
import { freePort, NO_LIMITS, openHouse, PASSWORD } from '../../../tests/support/house.js';

const FOLDER = new URL('..', import.meta.url).pathname;
const NEXT = new URL('../next.mjs', import.meta.url).pathname;
const SUBMIT = 'main form button';
/**
 * The shortest there is: the access token is over whenever a test has waited a moment. It ends with a full second, so now and then
 * also while a page is rendered that was refreshed for.
 */
const ACCESS_TTL = 1000;
let counter;
let house;
let next;
let url;
let browser;

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const refreshes = (asked) => asked.filter((path) => path === '/api/auth/refresh').length;
const path = (page) => new URL(page.url()).pathname;

/** Stands between Next.js and the server, and writes down what is asked. */
async function openCounter() {
  const asked = [];
  let target;
  const server = createServer((incoming, answer) => {
    asked.push(incoming.url.split('?')[0]);
    const outgoing = request(new URL(incoming.url, target), { method: incoming.method, headers: incoming.headers }, (theirs) => {
      answer.writeHead(theirs.statusCode, theirs.rawHeaders);
      theirs.pipe(answer);
    });
    outgoing.on('error', () => answer.destroy());
    incoming.pipe(outgoing);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    leadTo: (url) => { target = url; },
    /** What was asked since the last time that this was called. */
    take: () => asked.splice(0),
    close: () => { server.close(); server.closeAllConnections(); },
  };
}

before(async () => {
  const port = await freePort();
  url = `http://localhost:${port}`;
  counter = await openCounter();
  house = await openHouse({ ...NO_LIMITS, VESTIBULE_PUBLIC_URL: url, VESTIBULE_ACCESS_TTL: `${ACCESS_TTL}ms` });
  counter.leadTo(house.url);
  const env = { ...process.env, VESTIBULE_URL: counter.url, VESTIBULE_PUBLIC_URL: url };
  await promisify(execFile)(process.execPath, [NEXT, 'build'], { cwd: FOLDER, env });
  next = spawn(process.execPath, [NEXT, 'start', '--port', port], { cwd: FOLDER, env, stdio: ['ignore', 'inherit', 'inherit'] });
  for (let tries = 0; ; tries += 1) {
    if ((await fetch(url).catch(() => null))?.ok) break;
    assert.ok(tries < 300 && next.exitCode === null, 'the example does not start');
    await pause(100);
  }
  browser = await openBrowser({ url, neighbours: [] });
}, { timeout: 240_000 });

after(async () => {
  await browser?.close();
  next?.kill();
  counter?.close();
  await house?.close();
});

afterEach(() => browser.assertQuiet());

test('it listens for this machine alone', async () => {
  // What listens everywhere answers at every address of this machine, of which this is one too.
  await assert.rejects(fetch(url.replace('localhost', '127.0.0.2')), ({ cause }) => cause.code === 'ECONNREFUSED');
});

async function signUp(context, name) {
  const page = await context.newPage();
  await page.goto('/sign-up');
  await page.fill('[name=name]', name);
  await page.fill('[name=email]', `${name}@example.com`);
  await page.fill('[name=password]', PASSWORD);
  await page.click(SUBMIT);
  await page.waitForURL('**/dashboard');
  return page;
}

test('somebody signs up, sees a protected page, logs out, and comes back to where they wanted to go', async () => {
  const context = await browser.person();
  const page = await context.newPage();
  await page.goto('/parts');
  assert.equal(page.url(), `${url}/log-in?next=%2Fparts`);
  const own = await signUp(context, 'ann');
  assert.ok((await own.textContent('main')).includes('ann@example.com'));
  await own.click('text=Count a visit');
  await own.waitForSelector('text=Counted: 1');
  await own.click('text=Log out');
  await own.waitForURL(`${url}/`);
  assert.equal(await own.textContent('h1'), 'Hello, stranger');
  await own.goto('/parts');
  await own.fill('[name=email]', 'ann@example.com');
  await own.fill('[name=password]', 'wrong window thursday');
  await own.click(SUBMIT);
  await own.waitForSelector('main [role=alert]');
  await own.fill('[name=password]', PASSWORD);
  await own.click(SUBMIT);
  await own.waitForURL('**/parts');
  await context.close();
});

test('after a log-in nobody is led to another site', async () => {
  const context = await browser.person();
  const page = await signUp(context, 'lea');
  for (const next of ['https://example.com/', '//example.com', '/\\example.com', '/.//example.com', 'javascript:alert(1)', 'http:']) {
    await page.click('text=Log out');
    await page.waitForURL(`${url}/`);
    await page.goto(`/log-in?next=${encodeURIComponent(next)}`);
    await page.fill('[name=email]', 'lea@example.com');
    await page.fill('[name=password]', PASSWORD);
    await send(page, SUBMIT);
    assert.equal(new URL(page.url()).origin, url, next);
    await page.goto('/dashboard');
  }
  await context.close();
});

test('what is wrong stands beside its field', async () => {
  const context = await browser.person();
  const page = await context.newPage();
  await page.goto('/sign-up');
  await page.fill('[name=name]', 'Bo');
  await page.fill('[name=email]', 'bo@example.com');
  await page.fill('[name=password]', 'short');
  await page.click(SUBMIT);
  await page.waitForSelector('#password-error:not(:empty)');
  assert.equal(await page.inputValue('[name=email]'), 'bo@example.com');
  await context.close();
});

test('pages that the application has not are those of the server, with the same session', async () => {
  const context = await browser.person();
  const page = await signUp(context, 'cleo');
  await page.click('nav >> text=cleo');
  await page.waitForURL('**/account');
  assert.ok((await page.textContent('main')).includes('cleo@example.com'));
  await context.close();
});

test('many parts of a page that find the access token over refresh once', async () => {
  const context = await browser.person();
  const page = await signUp(context, 'dan');
  // So that nothing but the page asks.
  await page.goto('about:blank');
  for (let round = 0; round < 3; round += 1) {
    await pause(ACCESS_TTL + 100);
    counter.take();
    const shown = await (await context.request.get('/parts')).text();
    assert.equal(shown.match(/class="part"/g).length, 12);
    assert.ok(!shown.includes('nobody'));
    const asked = counter.take();
    assert.ok(refreshes(asked) >= 1 && refreshes(asked) <= 2, `one refresh for fourteen parts, or one more: ${asked}`);
    assert.ok(asked.length <= 4, `${asked}`);
  }
  await context.close();
});

test('two tabs that are loaded at once with an access token that is over log nobody out', async () => {
  const context = await browser.person();
  const one = await signUp(context, 'ida');
  const other = await context.newPage();
  await Promise.all([one.goto('/parts'), other.goto('/parts')]);
  for (let round = 0; round < 5; round += 1) {
    await pause(ACCESS_TTL + 100);
    await Promise.all([one.reload(), other.reload()]);
    for (const page of [one, other]) assert.equal(await page.locator('.part >> text=ida').count(), 12);
  }
  await pause(ACCESS_TTL + 100);
  for (const page of [one, other]) {
    await page.goto('/dashboard');
    await page.click('text=Count a visit');
    await page.waitForSelector('text=Counted');
  }
  await context.close();
});

test('pages that are left while they come log nobody out', async () => {
  const context = await browser.person();
  const page = await signUp(context, 'eve');
  await pause(ACCESS_TTL + 100);
  // The application answers, and the browser never gets it.
  const cookies = await context.cookies();
  await context.request.get('/parts');
  await context.clearCookies();
  await context.addCookies(cookies);
  // Beyond the ten seconds for which the server honours a secret that is stale.
  await pause(11_000);
  await page.goto('/parts');
  assert.equal(await page.locator('.part >> text=eve').count(), 12);
  await context.close();
});

test('a log-out in one tab shows in the other at once', async () => {
  const context = await browser.person();
  const one = await signUp(context, 'finn');
  const other = await context.newPage();
  await other.goto('/parts');
  await one.click('text=Log out');
  await other.waitForURL('**/log-in?next=%2Fparts');
  await one.waitForURL(`${url}/`);
  await context.close();
});

test('the proxy is not the only check', async () => {
  const skip = Array(5).fill('proxy').join(':');
  for (const headers of [{}, { 'x-middleware-subrequest': skip }, { 'x-middleware-subrequest': skip.replaceAll('proxy', 'src/middleware') }, { rsc: '1' }]) {
    for (const path of ['/dashboard', '/parts']) {
      const answer = await fetch(`${url}${path}`, { headers, redirect: 'manual' });
      assert.equal(answer.status, 307);
      assert.ok(answer.headers.get('location').includes('/log-in?next='));
    }
  }
  // The access token is good still, and its session is over: only the page can know.
  const context = await browser.person();
  const page = await signUp(context, 'gus');
  await house.command('session', 'revoke', 'gus@example.com', '--yes');
  await page.goto('/parts');
  assert.equal(path(page), '/log-in');
  await context.close();
});

test('a route handler refuses strangers, and a change without the CSRF token', async () => {
  assert.equal((await fetch(`${url}/api/visits`)).status, 401);
  const context = await browser.person();
  await signUp(context, 'hal');
  const forged = await context.request.post('/api/visits');
  assert.equal(forged.status(), 403);
  assert.equal((await forged.json()).code, 'csrf_failed');
  const access = async () => (await context.cookies()).find(({ name }) => name.endsWith('vestibule_access'))?.value;
  const old = await access();
  await pause(ACCESS_TTL + 100);
  assert.equal((await context.request.get('/api/visits')).status(), 200, 'where the access token is over it is refreshed');
  // Not whether it is still good: that is a matter of how busy the machine is.
  const fresh = await access();
  assert.ok(fresh && fresh !== old, 'and the browser has the new one');
  await context.close();
});

test('nobody was logged out because a refresh was taken for a replay', async () => {
  const { stdout } = await house.command('audit', 'tail', '--json');
  assert.ok(stdout.includes('signed_up'));
  assert.ok(!stdout.includes('refresh_reused'));
});
