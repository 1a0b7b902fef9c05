// Every page, light and dark, on a phone and on a desk: what axe-core finds, and whether it fits.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { DESK, openBrowser, PHONE, scrollsSideways, send, signUp, violations, writeNotes } from './support/browser.js';
import { openHouse, OTHER_PASSWORD, PASSWORD } from '../support/house.js';
import { CONFIRM_FIRST_PAGES, missingPages, walk, walkConfirmFirst } from './support/pages.js';

const MOST_BYTES = 50 * 1024;
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

/** Walks through all pages and gives what is wrong with them. */
async function problemsOf(name, { size = DESK, dark = false, javaScript = true } = {}) {
  const context = await browser.person({ dark, size, javaScript });
  const problems = [];
  const seen = [];
  const names = new Set();
  const look = async (page, name, { isMail = false } = {}) => {
    seen.push(new URL(page.url()).pathname);
    names.add(name);
    problems.push(...(await violations(page, { javaScript: javaScript && !isMail, isMail })).map((violation) => `${name}: ${violation}`));
    if (await scrollsSideways(page)) problems.push(`${name}: is wider than the window`);
    if (!javaScript && await page.locator('.reveal').count()) problems.push(`${name}: the script ran`);
  };
  await walk(house, context, name, look, { javaScript });
  assert.deepEqual(missingPages(seen), [], 'every page was walked through');
  assert.equal(names.size, seen.length, 'every state has a name of its own');
  browser.assertQuiet();
  await context.close();
  return problems;
}

describe('every page', () => {
  for (const [sizeName, size] of Object.entries({ phone: PHONE, desk: DESK })) {
    for (const dark of [false, true]) {
      const look = `${sizeName}.${dark ? 'dark' : 'light'}`;
      test(`is accessible and fits on a ${sizeName}, ${dark ? 'dark' : 'light'}`, async () => {
        assert.deepEqual(await problemsOf(`axe.${look}`, { dark, size }), []);
      });
    }
  }

  test('is accessible, fits and works without JavaScript', async () => {
    assert.deepEqual(await problemsOf('axe.plain', { size: PHONE, javaScript: false }), []);
  });
});

describe('every page of a sign-up whose address is confirmed first', () => {
  for (const [sizeName, size] of Object.entries({ phone: PHONE, desk: DESK })) {
    for (const dark of [false, true]) {
      test(`is accessible and fits on a ${sizeName}, ${dark ? 'dark' : 'light'}`, async () => {
        const discreet = await openHouse({ VESTIBULE_SIGN_UP: 'confirm_first' });
        const ownBrowser = await openBrowser(discreet);
        try {
          const context = await ownBrowser.person({ dark, size });
          const problems = [];
          const seen = [];
          await walkConfirmFirst(discreet, context, `axe.${sizeName}`, async (page, name) => {
            seen.push(new URL(page.url()).pathname);
            problems.push(...(await violations(page)).map((violation) => `${name}: ${violation}`));
            if (await scrollsSideways(page)) problems.push(`${name}: is wider than the window`);
          });
          assert.deepEqual(problems, []);
          assert.equal(seen.length, 10, `${seen} were looked at`);
          assert.deepEqual(missingPages(seen, CONFIRM_FIRST_PAGES), []);
          ownBrowser.assertQuiet();
        } finally {
          await ownBrowser.close();
          await discreet.close();
        }
      });
    }
  }
});

test('no page weighs more than 50 KB without its pictures, and none waits for another place', async () => {
  const context = await browser.person();
  const weights = [];
  /** Anew and with an empty cache, as for who comes for the first time. */
  const weigh = async (address, name) => {
    const page = await context.newPage();
    const session = await context.newCDPSession(page);
    let bytes = 0;
    const kinds = new Map();
    await session.send('Network.enable');
    await session.send('Network.setCacheDisabled', { cacheDisabled: true });
    session.on('Network.responseReceived', ({ requestId, type }) => kinds.set(requestId, type));
    session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
      if (kinds.get(requestId) !== 'Image') bytes += encodedDataLength;
    });
    await page.goto(address, { waitUntil: 'networkidle' });
    assert.ok(bytes > 1000, `${name} was weighed: ${bytes}`);
    weights.push({ name, bytes });
    await page.close();
  };
  await walk(house, context, 'weight', (seen, name) => weigh(seen.url(), name));

  // Lists as long as they get.
  const full = await signUp(context, 'full');
  await writeNotes(context, 60);
  for (let sessions = 0; sessions < 20; sessions += 1) {
    const other = await browser.person();
    const answer = await other.request.post('/api/auth/log-in', { data: { email: 'full@example.com', password: PASSWORD } });
    assert.equal(answer.status(), 200);
    await other.close();
  }
  await weigh(`${house.url}/notes`, 'full notes');
  await weigh(`${house.url}/account`, 'full account');
  assert.equal(await full.goto('/notes').then(() => full.locator('.list li').count()), 20);
  assert.deepEqual(weights.filter(({ bytes }) => bytes > MOST_BYTES), []);
  const { name, bytes } = weights.sort((one, other) => other.bytes - one.bytes)[0];
  console.log(`the heaviest page is ${name}, with ${bytes} bytes`);
  await context.close();
});

test('a page is painted and works while its script is under way', async () => {
  const context = await browser.person();
  const page = await context.newPage();
  const held = [];
  // Never answered: as slow as a script can be.
  await context.route('**/assets/vestibule.js*', (route) => { held.push(route); });
  for (const path of ['/', '/log-in', '/sign-up']) {
    await page.goto(path, { waitUntil: 'commit' });
    await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint').length === 1);
    assert.ok(await page.locator('h1').isVisible());
  }
  await page.fill('#name', 'Early');
  await page.fill('#email', 'early@example.com');
  await page.fill('#password', PASSWORD);
  await Promise.all([page.waitForURL('**/dashboard', { waitUntil: 'commit' }), page.click('main form button[type=submit]')]);
  await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint').length === 1);
  const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime);
  console.log(`painted ${Math.round(paint)} ms after it was asked for`);
  assert.ok(held.length >= 4, 'the script was asked for and not given');
  assert.equal(await page.locator('.reveal').count(), 0);
  await context.unrouteAll({ behavior: 'ignoreErrors' });
  browser.complaints.splice(0);
  await context.close();
});

/** A person without a mouse: goes on with the tabulator, and always sees where they are. */
function keyboardOf(page) {
  const focused = (selector) => page.evaluate((selector) => document.activeElement.matches(selector), selector);
  /** Waits until an element has the focus: the browser gives it to the first field a moment after a page is there. */
  const focusComes = (selector) => page.waitForFunction((selector) => document.activeElement.matches(selector), selector, { timeout: 5000 }).then(() => true);
  /** Goes on until an element has the focus. */
  const tabTo = async (selector) => {
    for (let steps = 0; steps < 80; steps += 1) {
      await page.keyboard.press('Tab');
      const seen = await page.evaluate(() => {
        const styles = [getComputedStyle(document.activeElement), getComputedStyle(document.activeElement, '::after')];
        const isSeen = styles.some(({ outlineStyle, outlineWidth }) => outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2);
        return { isSeen, html: document.activeElement.outerHTML.slice(0, 80) };
      });
      assert.ok(seen.isSeen, `the focus is not to be seen on ${seen.html}`);
      if (await focused(selector)) return;
    }
    assert.fail(`the tabulator does not lead to ${selector}`);
  };
  /** Presses a key that leads to another page. */
  const go = (key) => Promise.all([page.waitForNavigation(), page.keyboard.press(key)]);
  return { focusComes, go, press: (key) => page.keyboard.press(key), tabTo, type: (text) => page.keyboard.type(text) };
}

test('a sign-up and a log-in need no mouse, and the focus is always to be seen', async () => {
  const context = await browser.person();
  const page = await context.newPage();
  const { focusComes, go, press, tabTo, type } = keyboardOf(page);
  await page.goto('/sign-up');
  await press('Tab');
  assert.ok(await focusComes('.skip'), 'first, a way past the menu');
  await tabTo('#name');
  await type('Keyboard');
  await tabTo('#email');
  await type('nobody');
  await tabTo('#password');
  await type(PASSWORD);
  await go('Enter');
  assert.ok(await focusComes('#email'), 'the first field to mend has the focus');
  await press('ControlOrMeta+A');
  await type('keyboard@example.com');
  await tabTo('#password');
  await type(PASSWORD);
  await tabTo('main form button[type=submit]');
  await go('Enter');
  assert.equal(new URL(page.url()).pathname, '/dashboard');
  await tabTo('.visitor button');
  await go('Space');
  await page.goto('/log-in');
  assert.ok(await focusComes('#email'));
  await type('keyboard@example.com');
  await tabTo('#password');
  await type(PASSWORD);
  await tabTo('.reveal');
  await press('Space');
  assert.equal(await page.getAttribute('#password', 'type'), 'text', 'what was typed is shown');
  await press('Space');
  assert.equal(await page.getAttribute('#password', 'type'), 'password');
  assert.ok(await focusComes('.reveal'));
  await press('Shift+Tab');
  await go('Enter');
  assert.equal(new URL(page.url()).pathname, '/dashboard');
  browser.assertQuiet();
  await context.close();
});

test('notes need no mouse', async () => {
  const context = await browser.person();
  const page = await signUp(context, 'keyboard.notes');
  const { focusComes, go, press, tabTo, type } = keyboardOf(page);
  await tabTo('nav a[href="/notes"]');
  await go('Enter');
  await tabTo('main a[href="/notes/new"]');
  await go('Enter');
  assert.ok(await focusComes('#title'), 'one can begin to write');
  await type('Without a mouse');
  await tabTo('#body');
  await type('Two lines,');
  await press('Enter');
  await type('by keys alone.');
  await tabTo('main form button[type=submit]');
  await go('Enter');
  assert.equal(await page.textContent('.written'), 'Two lines,\nby keys alone.');
  await tabTo('a[href$="/edit"]');
  await go('Enter');
  assert.ok(await focusComes('#title'));
  await press('ControlOrMeta+A');
  await type('Changed');
  await go('Enter');
  assert.equal(await page.textContent('article h1'), 'Changed');
  await tabTo('.back');
  await go('Enter');
  await tabTo('.list a');
  await go('Enter');
  await tabTo('details summary');
  await press('Enter');
  await tabTo('details button');
  await go('Space');
  assert.ok(await page.getByText('Nothing here yet').isVisible());
  browser.assertQuiet();
  await context.close();
});

test('an account needs no mouse', async () => {
  const context = await browser.person();
  const page = await signUp(context, 'keyboard.account');
  const { focusComes, go, press, tabTo, type } = keyboardOf(page);
  await tabTo('.visitor .name');
  await go('Enter');
  await tabTo('#name-field');
  await press('ControlOrMeta+A');
  await type('Kay Board');
  await go('Enter');
  assert.ok((await page.textContent('[role=status]')).includes('name is changed'));
  await tabTo('#current-password');
  await type(PASSWORD);
  await tabTo('#new-password');
  await type('short');
  await go('Enter');
  assert.ok(await focusComes('#new-password'), 'what is to be mended has the focus');
  await press('Shift+Tab');
  await press('Shift+Tab');
  assert.ok(await focusComes('#current-password'));
  await type(PASSWORD);
  await tabTo('#new-password');
  await type(OTHER_PASSWORD);
  await go('Enter');
  assert.ok((await page.textContent('[role=status]')).includes('password is changed'));
  await tabTo('#delete summary');
  await press('Space');
  await tabTo('#delete-password');
  await type('wrong window thursday');
  await go('Enter');
  assert.ok(await focusComes('#delete-password'), 'the form stays open, and is entered where it is to be mended');
  await type(OTHER_PASSWORD);
  await tabTo('#delete button.danger');
  await go('Enter');
  assert.equal(new URL(page.url()).pathname, '/log-in');
  browser.assertQuiet();
  await context.close();
});

test('who wants less motion gets none', async () => {
  const context = await browser.person();
  const page = await signUp(context, 'calm');
  await page.emulateMedia({ reducedMotion: 'reduce' });
  const moving = await page.evaluate(() => [...document.querySelectorAll('a, button, input')].filter((element) => parseFloat(getComputedStyle(element).transitionDuration) > 0).length);
  assert.equal(moving, 0);
  await send(page, '.visitor button');
  await context.close();
});
