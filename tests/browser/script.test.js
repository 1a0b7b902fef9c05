// What the script adds to the pages.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { logIn, openBrowser, send, signUp } from './support/browser.js';
import { openHouse, OTHER_PASSWORD, PASSWORD } from './support/house.js';

const SUBMIT = 'main form button[type=submit]';
const REFRESH = '/api/auth/refresh';
const path = (page) => new URL(page.url()).pathname;
let house;
let browser;
before(async () => {
  house = await openHouse();
  browser = await openBrowser(house);
});
after(async () => {
  await browser?.close();
  await house?.close();
});
afterEach(() => browser.assertQuiet());

/** Counts the requests of a browser to a path. */
function count(context, path) {
  const counted = { requests: 0 };
  context.on('request', (request) => { if (new URL(request.url()).pathname === path) counted.requests += 1; });
  return counted;
}

/** Calls the client of a page: `call` gets the module. */
function inPage(page, call, argument) {
  return page.evaluate(async ([source, argument]) => {
    const { src } = document.querySelector('script[type=module]');
    const client = await import(src);
    // The tests' own words, in a page whose policy forbids eval: a module made of a blob is forbidden as well, so what
    // can be called is named here.
    const calls = {
      many: (count) => Promise.all(Array.from({ length: count }, () => client.vestibuleFetch('/api/auth/session').then((answer) => answer.status))),
      patch: (name) => client.vestibuleFetch('/api/account', { method: 'PATCH', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ name }) }).then((answer) => answer.status),
      refresh: () => client.refresh(),
      both: async () => {
        const other = await import('/assets/vestibule.js');
        const calls = [client, other].map(({ vestibuleFetch }) => vestibuleFetch('/api/auth/session').then((answer) => answer.status));
        return [...await Promise.all(calls), client === other, client.refresh === other.refresh];
      },
      elsewhere: () => client.vestibuleFetch('https://example.com/').catch((error) => error.name),
    };
    return calls[source](argument);
  }, [call, argument]);
}

async function expireAccess(context) {
  await context.clearCookies({ name: 'vestibule_access' });
}

test('a script that imports the module under another address has the same client', async () => {
  const context = await browser.person();
  const page = await signUp(context, 'modules');
  await page.goto('/account');
  await expireAccess(context);
  const refreshes = count(context, REFRESH);
  assert.deepEqual(await inPage(page, 'both'), [200, 200, false, true]);
  assert.equal(refreshes.requests, 1);
  assert.equal(await page.locator('.reveal').count(), await page.locator('input[autocomplete$=password]').count());
  await context.close();
});

test('ten calls that wait make one refresh, and each is answered', async () => {
  const context = await browser.person();
  const page = await signUp(context, 'ten');
  await expireAccess(context);
  const refreshes = count(context, REFRESH);
  assert.deepEqual(await inPage(page, 'many', 10), Array(10).fill(200));
  assert.equal(refreshes.requests, 1);
  await context.close();
});

test('a change carries the CSRF token, also when it is sent again after a refresh', async () => {
  const context = await browser.person();
  const page = await signUp(context, 'patch');
  assert.equal(await inPage(page, 'patch', 'Patricia'), 200);
  await expireAccess(context);
  assert.equal(await inPage(page, 'patch', 'Patricia Lee'), 200);
  await page.reload();
  assert.ok((await page.textContent('h1')).includes('Patricia Lee'));
  assert.equal(await inPage(page, 'elsewhere'), 'TypeError', 'the token is told to no other site');
  await context.close();
});

test('two tabs that refresh at once both go on', async () => {
  const context = await browser.person();
  const one = await signUp(context, 'two');
  const other = await context.newPage();
  await other.goto('/notes');
  for (let round = 0; round < 5; round += 1) {
    await expireAccess(context);
    const statuses = await Promise.all([inPage(one, 'many', 3), inPage(other, 'many', 3)]);
    assert.deepEqual(statuses.flat(), Array(6).fill(200));
  }
  await context.close();
});

test('a refresh that failed is not repeated in a storm', async () => {
  const context = await browser.person();
  const page = await signUp(context, 'storm');
  await expireAccess(context);
  await context.clearCookies({ name: 'vestibule_refresh' });
  const refreshes = count(context, REFRESH);
  for (let round = 0; round < 5; round += 1) {
    assert.deepEqual(await inPage(page, 'many', 4), Array(4).fill(401));
  }
  assert.ok(refreshes.requests <= 1, `${refreshes.requests} refreshes`);
  await context.close();
});

test('a server that does not answer is not waited for without a limit', async () => {
  const context = await browser.person();
  const page = await signUp(context, 'slow');
  await expireAccess(context);
  await context.route(`**${REFRESH}`, () => {});
  const began = Date.now();
  assert.deepEqual(await inPage(page, 'many', 2), [401, 401]);
  assert.ok(Date.now() - began < 15_000);
  await context.unrouteAll();
  await context.close();
});

test('a log-out in one tab shows in the others at once', async () => {
  const context = await browser.person();
  const one = await signUp(context, 'tabs');
  const secret = await context.newPage();
  await secret.goto('/notes');
  const open = await context.newPage();
  await open.goto('/');
  await send(one, '.visitor button');
  await secret.waitForURL('**/log-in?next=%2Fnotes');
  await open.waitForSelector('.visitor >> text=Log in');
  assert.equal(await open.locator('nav >> text=Notes').count(), 0);
  await context.close();
});

test('a page that tells an error logs nobody out in the other tabs', async () => {
  const context = await browser.person();
  const page = await signUp(context, 'calm');
  await page.evaluate(() => { globalThis.isUntouched = true; });
  const other = await context.newPage();
  await other.goto('/nowhere');
  await other.goto('/account/email');
  await other.waitForTimeout(500);
  assert.ok(await page.evaluate(() => globalThis.isUntouched), 'it was not loaded anew');
  await context.close();
});

test('a log-in in one tab shows in the menu of the others, and loses nothing that was typed there', async () => {
  const context = await browser.person();
  const maker = await signUp(await browser.person(), 'menu');
  await maker.context().close();
  const one = await context.newPage();
  const other = await context.newPage();
  await other.goto('/forgot-password');
  await other.fill('#email', 'half an addr');
  await logIn(one, 'menu');
  await other.waitForSelector('.visitor .name');
  assert.ok((await other.textContent('.visitor .name')).includes('menu'));
  assert.ok((await other.textContent('#vestibule-status')).includes('logged in'));
  assert.equal(await other.inputValue('#email'), 'half an addr');
  await context.close();
});

test('a form of another tab is taken after the password was changed', async () => {
  const context = await browser.person();
  const one = await signUp(context, 'renewed');
  const other = await context.newPage();
  await other.goto('/notes/new');
  await other.fill('#title', 'Begun before');
  await one.goto('/account');
  await one.fill('#current-password', PASSWORD);
  await one.fill('#new-password', OTHER_PASSWORD);
  await send(one, '#password button[type=submit]');
  await send(other, SUBMIT);
  assert.equal(await other.textContent('article h1'), 'Begun before');
  await context.close();
});

test('a form that somebody else began is not sent in the name of who is logged in now', async () => {
  const context = await browser.person();
  // A tab that hears nothing of the others.
  const deaf = await context.newPage();
  await deaf.addInitScript(() => { delete globalThis.BroadcastChannel; });
  const page = await signUp(context, 'first');
  await deaf.goto('/notes/new');
  await deaf.fill('#title', 'Of the first');
  await page.goto('/');
  await send(page, '.visitor button');
  await signUp(context, 'second');
  assert.equal((await send(deaf, SUBMIT)).status(), 403);
  await page.goto('/notes');
  assert.ok(await page.getByText('Nothing here yet').isVisible());
  await context.close();
});

test('a draft outlives a closed tab and leaves when it was saved, discarded or its writer logged out', async () => {
  const context = await browser.person();
  const page = await signUp(context, 'draft');
  const write = async (title) => {
    const tab = await context.newPage();
    await tab.goto('/notes/new');
    await tab.fill('#title', title);
    await tab.waitForFunction((title) => Object.values(localStorage).some((value) => value.includes(title)), title);
    await tab.close();
  };
  await write('Half a thought');
  await page.goto('/notes/new');
  assert.equal(await page.inputValue('#title'), 'Half a thought');
  assert.ok((await page.textContent('.draft')).includes('not saved yet'));
  await page.click('.draft button');
  assert.equal(await page.inputValue('#title'), '');
  await page.reload();
  assert.equal(await page.inputValue('#title'), '');

  await write('Half a thought');
  await page.goto('/notes/new');
  await send(page, SUBMIT);
  await page.goto('/notes/new');
  assert.equal(await page.inputValue('#title'), '', 'what was saved is no draft any more');

  await write('A secret');
  await page.goto('/');
  await send(page, '.visitor button');
  assert.equal(await page.evaluate(() => Object.keys(localStorage).filter((key) => key.includes('draft')).length), 0);
  await context.close();
});

test('a password can be looked at, and is hidden again as it is sent', async () => {
  const context = await browser.person();
  const page = await context.newPage();
  await page.goto('/log-in');
  await page.fill('#password', PASSWORD);
  const reveal = page.getByRole('button', { name: 'Show: Password' });
  assert.equal(await reveal.getAttribute('aria-pressed'), 'false');
  await reveal.click();
  assert.equal(await page.getAttribute('#password', 'type'), 'text');
  assert.equal(await reveal.getAttribute('aria-pressed'), 'true');
  const box = await reveal.boundingBox();
  assert.ok(box.width >= 24 && box.height >= 24);
  await reveal.click();
  assert.equal(await page.getAttribute('#password', 'type'), 'password');
  await context.close();
});

test('the hint beside a new password says what the server would say', async () => {
  const context = await browser.person();
  const page = await context.newPage();
  await page.goto('/sign-up');
  await page.fill('#name', 'Rosalind');
  await page.fill('#password', 'rosalindrosalind');
  await page.waitForFunction(() => document.querySelector('.strength')?.textContent);
  const hint = await page.textContent('.strength');
  await page.fill('#email', 'rosalind@example.com');
  await send(page, SUBMIT);
  assert.equal(await page.textContent('#password-error'), hint);
  await page.fill('#password', PASSWORD);
  await page.waitForSelector('.strength.good');
  await context.close();
});

test('a second click does not send a form again', async () => {
  const context = await browser.person();
  const page = await signUp(context, 'twice');
  await page.goto('/notes/new');
  await page.fill('#title', 'Once');
  await Promise.all([page.waitForNavigation(), page.dblclick(SUBMIT)]);
  await page.goto('/notes');
  assert.equal(await page.locator('.list li').count(), 1);
  await context.close();
});

test('who is about to be logged out is told, and can stay', async () => {
  const short = await openHouse({ VESTIBULE_SESSION_IDLE_TTL: '110s', VESTIBULE_ACCESS_TTL: '30s' });
  const own = await openBrowser(short);
  try {
    const context = await own.person();
    const page = await signUp(context, 'short');
    await page.waitForSelector('.session-end');
    assert.ok((await page.textContent('.session-end')).includes('Your session ends at'));
    const refreshes = count(context, REFRESH);
    await page.click('text=Stay logged in');
    await page.waitForFunction(() => document.querySelectorAll('.session-end').length === 1);
    assert.equal(refreshes.requests, 1);
    own.assertQuiet();
  } finally {
    await own.close();
    await short.close();
  }
});

test('a page that comes back from the browser memory is not that of who has logged out', async () => {
  const context = await browser.person();
  const page = await signUp(context, 'memory');
  await page.goto('/');
  const other = await context.newPage();
  await page.goto('/sign-up');
  await other.goto('/dashboard');
  await send(other, '.visitor button');
  await page.waitForSelector('.visitor >> text=Log in');
  await page.goBack();
  await page.waitForSelector('.visitor >> text=Log in');
  assert.equal(path(page), '/');
  await context.close();
});
