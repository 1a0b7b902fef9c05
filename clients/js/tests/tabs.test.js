// The client in a real Chromium: tabs of one person.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, test } from 'node:test';
import { NO_LIMITS, openHouse, PASSWORD } from '../../../tests/support/house.js';
import { openBrowser } from '../../../tests/browser/support/browser.js';

const REFRESH = '/api/auth/refresh';
let house;
let browser;
before(async () => {
  house = await openHouse(NO_LIMITS);
  browser = await openBrowser(house);
});
after(async () => {
  await browser?.close();
  await house?.close();
});
afterEach(() => browser.assertQuiet());

/** A person's browser, and the pages of an application that stands under the same address as the server. */
async function person() {
  const context = await browser.person();
  const refreshes = { count: 0 };
  context.on('request', (request) => { if (new URL(request.url()).pathname === REFRESH) refreshes.count += 1; });
  await context.route(`${house.url}/app`, (route) => route.fulfill({
    contentType: 'text/html',
    body: `<!doctype html><title>An application</title><link rel="icon" href="data:,"><script type="module">
      import { createClient } from '/app/index.js';
      globalThis.client = createClient();
      globalThis.told = [];
      client.onChange(({ type, reason }) => told.push(reason ?? type));
      document.title = 'Ready';
    </script>`,
  }));
  await context.route(`${house.url}/app/*.js`, async (route) => {
    const { pathname } = new URL(route.request().url());
    const body = await readFile(new URL(`../src/${pathname.slice('/app/'.length)}`, import.meta.url), 'utf8');
    await route.fulfill({ contentType: 'text/javascript', body });
  });
  async function openTab() {
    const page = await context.newPage();
    await page.goto('/app');
    await page.waitForFunction(() => document.title === 'Ready');
    return page;
  }
  return { context, openTab, refreshes };
}

const signUp = (page, name) => page.evaluate((fields) => client.signUp(fields), { name, email: `${name}@example.com`, password: PASSWORD });
const expireAccess = (context) => context.clearCookies({ name: 'vestibule_access' });
/** Calls at once, and the statuses of their answers. */
const callMany = (page, count) => page.evaluate((count) => Promise.all(Array.from({ length: count }, () => client.fetch('/api/account').then(({ status }) => status))), count);
const told = (page, word) => page.waitForFunction((word) => globalThis.told.includes(word), word);

test('twenty calls of two tabs that find the access token over make one refresh', async () => {
  const { context, openTab, refreshes } = await person();
  const one = await openTab();
  const other = await openTab();
  await signUp(one, 'ann');
  await told(other, 'logged-in');
  for (let round = 1; round <= 5; round += 1) {
    await expireAccess(context);
    const statuses = await Promise.all([callMany(one, 20), callMany(other, 20)]);
    assert.deepEqual(statuses.flat(), Array(40).fill(200));
    assert.equal(refreshes.count, round);
  }
  await told(other, 'refreshed');
  await context.close();
});

test('a log-out in one tab is told in the other at once', async () => {
  const { context, openTab } = await person();
  const one = await openTab();
  const other = await openTab();
  await signUp(one, 'bo');
  await one.evaluate(() => client.logOut());
  await told(other, 'logged-out');
  assert.equal(await other.evaluate(() => client.session()), null);
  await one.evaluate(() => { told.length = 0; });
  await other.evaluate((fields) => client.logIn(fields), { email: 'bo@example.com', password: PASSWORD });
  await told(one, 'logged-in');
  assert.equal((await one.evaluate(() => client.session())).user.name, 'bo');
  await context.close();
});

test('a tab that hangs while it refreshes holds up no other for long', async () => {
  const { context, openTab } = await person();
  const one = await openTab();
  const other = await openTab();
  await signUp(one, 'cleo');
  await one.evaluate(() => { navigator.locks.request('vestibule-refresh', () => new Promise(() => {})); });
  await expireAccess(context);
  const began = Date.now();
  assert.deepEqual(await callMany(other, 5), Array(5).fill(200));
  assert.ok(Date.now() - began < 8_000);
  await context.close();
});

test('a session that was ended elsewhere is told in every tab once one finds out', async () => {
  const { context, openTab } = await person();
  const one = await openTab();
  const other = await openTab();
  await signUp(one, 'dan');
  await house.command('session', 'revoke', 'dan@example.com', '--yes');
  assert.deepEqual(await callMany(one, 20), Array(20).fill(401));
  await told(other, 'session_revoked');
  assert.equal(await other.evaluate(() => told.filter((word) => word === 'session_revoked').length), 1);
  await context.close();
});

test("the client hears the pages of the site itself, and they hear the client", async () => {
  const { context, openTab } = await person();
  const app = await openTab();
  await signUp(app, 'eve');
  const page = await context.newPage();
  await page.goto('/notes');
  await app.evaluate(() => client.logOut());
  await page.waitForURL('**/log-in?next=%2Fnotes');
  // The script of the page has run when passwords can be shown.
  await page.waitForSelector('.reveal');
  await page.fill('#email', 'eve@example.com');
  await page.fill('#password', PASSWORD);
  await app.evaluate(() => { told.length = 0; });
  await page.click('main form button[type=submit]');
  await told(app, 'logged-in');
  await context.close();
});

test('nobody was logged out because a refresh was taken for a replay', async () => {
  const { stdout } = await house.command('audit', 'tail', '--json');
  assert.ok(stdout.includes('signed_up'));
  assert.ok(!stdout.includes('refresh_reused'));
});
