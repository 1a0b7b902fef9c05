// Every page, light and dark, on a phone and on a desk: what axe-core finds, and whether it fits.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { DESK, openBrowser, PHONE, scrollsSideways, send, signUp, violations } from './support/browser.js';
import { openHouse } from './support/house.js';
import { walk, walkConfirmFirst } from './support/pages.js';

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

describe('every page', () => {
  for (const [sizeName, size] of Object.entries({ phone: PHONE, desk: DESK })) {
    for (const dark of [false, true]) {
      test(`is accessible and fits on a ${sizeName}, ${dark ? 'dark' : 'light'}`, async () => {
        const context = await browser.person({ dark, size });
        const problems = [];
        let seen = 0;
        await walk(house, context, `axe.${sizeName}.${dark ? 'dark' : 'light'}`, async (page, name) => {
          seen += 1;
          problems.push(...(await violations(page)).map((violation) => `${name}: ${violation}`));
          if (await scrollsSideways(page)) problems.push(`${name}: is wider than the window`);
        });
        assert.deepEqual(problems, []);
        assert.ok(seen > 35, `${seen} pages were looked at`);
        browser.assertQuiet();
        await context.close();
      });
    }
  }
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
          let seen = 0;
          await walkConfirmFirst(discreet, context, `axe.${sizeName}`, async (page, name) => {
            seen += 1;
            problems.push(...(await violations(page)).map((violation) => `${name}: ${violation}`));
            if (await scrollsSideways(page)) problems.push(`${name}: is wider than the window`);
          });
          assert.deepEqual(problems, []);
          assert.equal(seen, 9, `${seen} pages were looked at`);
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
  const heavy = [];
  let heaviest = 0;
  await walk(house, context, 'weight', async (seen, name) => {
    // Anew and with an empty cache, as for who comes for the first time.
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
    await page.goto(seen.url(), { waitUntil: 'networkidle' });
    if (bytes > MOST_BYTES) heavy.push(`${name}: ${bytes}`);
    assert.ok(bytes > 1000, `${name} was weighed: ${bytes}`);
    heaviest = Math.max(heaviest, bytes);
    await page.close();
  });
  assert.deepEqual(heavy, []);
  console.log(`the heaviest page has ${heaviest} bytes`);
  await context.close();
});

test('a sign-up and a log-in need no mouse, and the focus is always to be seen', async () => {
  const context = await browser.person();
  const page = await context.newPage();
  await page.goto('/sign-up');
  /** Goes on with the tabulator until an element has the focus. */
  const tabTo = async (selector) => {
    for (let steps = 0; steps < 40; steps += 1) {
      await page.keyboard.press('Tab');
      const seen = await page.evaluate(() => {
        const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
        return { isSeen: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2, html: document.activeElement.outerHTML.slice(0, 80) };
      });
      assert.ok(seen.isSeen, `the focus is not to be seen on ${seen.html}`);
      if (await page.evaluate((selector) => document.activeElement.matches(selector), selector)) return;
    }
    assert.fail(`the tabulator does not lead to ${selector}`);
  };
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.className), 'skip', 'first, a way past the menu');
  await tabTo('#name');
  await page.keyboard.type('Keyboard');
  await tabTo('#email');
  await page.keyboard.type('nobody');
  await tabTo('#password');
  await page.keyboard.type('copper window thursday');
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'email', 'the first field to mend has the focus');
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.type('keyboard@example.com');
  await tabTo('#password');
  await page.keyboard.type('copper window thursday');
  await tabTo('main form button[type=submit]');
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
  assert.equal(new URL(page.url()).pathname, '/dashboard');
  await tabTo('.visitor button');
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Space')]);
  await page.goto('/log-in');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'email');
  await page.keyboard.type('keyboard@example.com');
  await tabTo('#password');
  await page.keyboard.type('copper window thursday');
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
  assert.equal(new URL(page.url()).pathname, '/dashboard');
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
