// One Chromium. Every page that is opened here is watched: an error in its console, an exception, or a request to
// another place fails the test.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright-core';
import { PASSWORD } from '../../support/house.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
export const DESK = { width: 1280, height: 800 };
export const PHONE = { width: 360, height: 740 };
/** As narrow as WCAG 1.4.10 asks for: a desk of 1280 pixels at four times the size. */
const NARROWEST = { width: 320, height: 640 };
/** What a page of ours never asks for in vain. */
const PARTS = ['stylesheet', 'script', 'image', 'font'];
/**
 * Playwright makes Chromium forget the pages that one goes back to, and has it send forms again without asking. People's
 * browsers do neither.
 */
const FOREIGN_FLAGS = ['--disable-back-forward-cache', '--disable-prompt-on-repost'];
/** Chromium writes the answers of forms that were refused into the console as errors. */
const REFUSAL = /Failed to load resource: the server responded with a status of (400|401|403|404|405|409|413|422|429|500|503)/;

/**
 * On a busy machine Chromium now and then does not answer what Playwright waits for without an end. So long is waited, which is far more
 * than it ever took where it did answer.
 */
const PATIENCE = 20_000;

export async function openBrowser(house) {
  const { browser, close } = await launch();
  const complaints = [];

  /** A person's own browser: cookies and storage of its own. */
  async function person({ javaScript = true, dark = false, size = DESK } = {}) {
    const options = { baseURL: house.url, javaScriptEnabled: javaScript, colorScheme: dark ? 'dark' : 'light', viewport: size };
    const context = await asked('Chromium opens no window', () => browser.newContext(options));
    context.setDefaultTimeout(10_000);
    const newPage = context.newPage.bind(context);
    context.newPage = () => asked('Chromium opens no page', newPage);
    const closeContext = context.close.bind(context);
    // What a test has seen is not less true because its window does not close.
    context.close = () => asked('Chromium closes no window', closeContext, 1).catch(({ message }) => console.error(message));
    context.on('page', (page) => {
      page.on('console', (message) => {
        if (message.type() === 'error' && !REFUSAL.test(message.text())) complaints.push(`${page.url()}: ${message.text()}`);
      });
      // Also where the console's words are taken for those of a form that was refused.
      page.on('response', (response) => {
        if (response.status() >= 400 && PARTS.includes(response.request().resourceType())) {
          complaints.push(`${page.url()} gets ${response.status()} for ${response.url()}`);
        }
      });
      page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error}`));
      page.on('request', (request) => {
        if (![house.url, ...house.neighbours].includes(new URL(request.url()).origin)) complaints.push(`${page.url()} asks ${request.url()}`);
      });
    });
    return context;
  }

  return {
    person,
    complaints,
    /** Fails where a page has complained. */
    assertQuiet() {
      assert.deepEqual(complaints.splice(0), []);
    },
    close,
  };
}

/** Starts Chromium, and another one where the first does nothing: it is tried with an empty page. */
async function launch() {
  const executablePath = process.env.VESTIBULE_BROWSER_CHROMIUM ?? '/usr/bin/chromium';
  return asked('Chromium does not start', async (late) => {
    const server = await chromium.launchServer({ executablePath, args: FLAGS, ignoreDefaultArgs: FOREIGN_FLAGS });
    // Ended and not asked to end: nothing of it is kept.
    const close = () => server.kill();
    late.addEventListener('abort', close);
    try {
      late.throwIfAborted();
      const browser = await chromium.connect(server.wsEndpoint());
      const trial = await browser.newContext();
      await (await trial.newPage()).goto('about:blank');
      await trial.close();
      return { browser, close };
    } catch (error) {
      await close();
      throw error;
    }
  });
}

/** Does what may never come to an end: once more where it is late, and then fails. `late` tells an attempt that it is given up. */
async function asked(what, attempt, times = 2) {
  const late = new AbortController();
  const waited = new AbortController();
  const isLate = Symbol('late');
  const done = await Promise.race([
    attempt(late.signal),
    sleep(PATIENCE, isLate, { signal: waited.signal }).catch(() => {}),
  ]).finally(() => waited.abort());
  if (done !== isLate) return done;
  late.abort();
  if (times === 1) throw new Error(`${what} within ${PATIENCE / 1000} seconds`);
  console.error(`${what} within ${PATIENCE / 1000} seconds: it is asked once more`);
  return asked(what, attempt, times - 1);
}

/** Presses the button that a form is sent with and waits for the page that comes. */
export async function send(page, button) {
  const [answer] = await Promise.all([page.waitForNavigation(), page.click(button)]);
  return answer;
}

/** Signs up as NAME@example.com, at the site or another one. */
export async function signUp(context, name, site = '') {
  const page = await context.newPage();
  await page.goto(`${site}/sign-up`);
  await page.fill('#name', name);
  await page.fill('#email', `${name}@example.com`);
  await page.fill('#password', PASSWORD);
  await send(page, 'main form button[type=submit]');
  assert.equal(new URL(page.url()).pathname, '/dashboard');
  return page;
}

/** Logs in, on a page that shows the form. */
export async function logIn(page, name, password = PASSWORD) {
  await page.goto('/log-in');
  await page.fill('#email', `${name}@example.com`);
  await page.fill('#password', password);
  return send(page, 'main form button[type=submit]');
}

/** Writes notes with the session of a browser, so many that their list has further pages. */
export async function writeNotes(context, count) {
  const csrf = (await context.cookies()).find(({ name }) => name === 'vestibule_csrf').value;
  const body = 'Who is who, who was who, and who may go where. '.repeat(20);
  for (let number = 1; number <= count; number += 1) {
    const data = { title: `Note ${number} of a long list that somebody keeps`, body };
    const answer = await context.request.post('/api/notes', { data, headers: { 'X-CSRF-Token': csrf } });
    assert.equal(answer.status(), 201);
  }
}

/** Opens a page as it is so many milliseconds before its session ends, by the clock of the browser. */
export async function openBeforeTheEnd(context, path, milliseconds) {
  const page = await context.newPage();
  await page.addInitScript((milliseconds) => {
    const now = Date.now;
    let ahead;
    Date.now = () => {
      const ends = document.querySelector('meta[name="vestibule-session"]')?.content;
      ahead ??= ends ? Date.parse(ends) - milliseconds - now() : undefined;
      return now() + (ahead ?? 0);
    };
  }, milliseconds);
  await page.goto(path);
  return page;
}

/** What axe-core finds on a page. Where no script may run, it looks at a copy. A mail is no page and has no landmarks. */
export async function violations(page, { javaScript = true, isMail = false } = {}) {
  if (!javaScript) return inACopy(page, (copy) => violations(copy, { isMail }));
  // By the protocol and not by a script element, which the page's own policy would rightly refuse.
  await page.evaluate(AXE);
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', ...(isMail ? [] : ['best-practice'])];
  const found = await page.evaluate((values) => globalThis.axe.run(document, { runOnly: { type: 'tag', values } }), tags);
  return found.violations.map(({ id, impact, nodes }) => `${id} (${impact}): ${nodes.map((node) => node.target.join(' ')).slice(0, 4).join(', ')}`);
}

/** A page as it stands, without its script, where axe-core may run. */
async function inACopy(page, look) {
  const body = (await page.content()).replaceAll(/<script[^>]*><\/script>/g, '');
  const isDark = await page.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches);
  const context = await page.context().browser().newContext({ viewport: page.viewportSize(), colorScheme: isDark ? 'dark' : 'light' });
  await context.route('**', (route) => (route.request().isNavigationRequest() ? route.fulfill({ body, contentType: 'text/html' }) : route.continue()));
  const copy = await context.newPage();
  await copy.goto(page.url());
  const seen = await look(copy);
  await context.close();
  return seen;
}

/** Whether a page is wider than its window, or than the narrowest one. */
export async function scrollsSideways(page) {
  const isTooWide = () => page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  const size = page.viewportSize();
  const isWide = await isTooWide();
  await page.setViewportSize(NARROWEST);
  const isWideWhereNarrow = await isTooWide();
  await page.setViewportSize(size);
  return isWide || isWideWhereNarrow;
}
