// What the script adds to the pages.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { logIn, openBeforeTheEnd, openBrowser, send, signUp } from './support/browser.js';
import { openHouse, OTHER_PASSWORD, PASSWORD } from '../support/house.js';

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

test('a log-out in one tab sends no form of another one again', async () => {
  const context = await browser.person();
  const one = await signUp(context, 'posted');
  const cases = [
    { form: '/notes/new', then: '/log-in?next=%2Fnotes%2Fnew', send: SUBMIT },
    { form: '/account', then: '/log-in?next=%2Faccount', send: '#name button[type=submit]', field: '#name-field' },
  ];
  const tabs = [];
  for (const { form, send: button, field } of cases) {
    const tab = await context.newPage();
    await tab.goto(form);
    if (field) await tab.fill(field, '');
    assert.equal((await send(tab, button)).status(), 422);
    tabs.push(tab);
  }
  const posts = [];
  context.on('request', (request) => { if (request.method() === 'POST') posts.push(new URL(request.url()).pathname); });
  await one.goto('/');
  await send(one, '.visitor button');
  for (const [number, { then }] of cases.entries()) {
    await tabs[number].waitForURL(`**${then}`);
    assert.equal(await tabs[number].locator('.doorway h1').textContent(), 'Log in');
  }
  assert.deepEqual(posts, ['/log-out']);
  await context.close();
});

test('a session that was ended elsewhere logs out every tab once one finds out', async () => {
  const context = await browser.person();
  const one = await signUp(context, 'revoked');
  const other = await context.newPage();
  await other.goto('/notes');
  const open = await context.newPage();
  await open.goto('/');
  await house.command('session', 'revoke', 'revoked@example.com', '--yes');
  await expireAccess(context);
  await inPage(one, 'many', 1).catch(() => {});
  await one.waitForURL('**/log-in?next=%2Fdashboard');
  await other.waitForURL('**/log-in?next=%2Fnotes');
  await open.waitForSelector('.visitor >> text=Log in');
  await context.close();
});

test('a page that tells an error logs nobody out in the other tabs', async () => {
  const context = await browser.person();
  const page = await signUp(context, 'calm');
  await page.evaluate(() => { globalThis.isUntouched = true; });
  const other = await context.newPage();
  await other.goto('/nowhere');
  await other.goto('/account/email');
  // Said after all that these pages may have said.
  await page.evaluate(() => {
    new BroadcastChannel('vestibule-test').addEventListener('message', () => { globalThis.hasHeard = true; });
  });
  await other.evaluate(() => new BroadcastChannel('vestibule-test').postMessage('done'));
  await page.waitForFunction(() => globalThis.hasHeard);
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

/** A site of its own, with other lifetimes, or one that can lose its database. */
async function withSite(settings, live) {
  const site = await openHouse({ ...settings });
  const own = await openBrowser(site);
  try {
    await live(await own.person(), site, own);
    own.assertQuiet();
  } finally {
    await own.close();
    await site.close();
  }
}

const drafts = (page) => page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith('vestibule:draft:')).length);

/** Opens the form of a new note and expects what was typed before. */
async function expectDraft(page, title) {
  await page.goto('/notes/new');
  await page.waitForSelector('.draft');
  assert.equal(await page.inputValue('#title'), title);
}

test('a draft outlives every way in which a note is not saved', async () => {
  await withSite({}, async (context, site, own) => {
    const page = await signUp(context, 'unsaved');
    await page.goto('/notes/new');
    await page.fill('#title', 'Not a word is lost');

    const bringBack = await site.loseDatabase('offline');
    assert.equal((await send(page, SUBMIT)).status(), 503);
    await bringBack();
    await page.goto('/');
    await expectDraft(page, 'Not a word is lost');

    await page.fill('#body', 'x'.repeat(70_000));
    assert.equal((await send(page, SUBMIT)).status(), 413);
    await page.goto('/dashboard');
    await expectDraft(page, 'Not a word is lost');
    assert.equal((await page.inputValue('#body')).length, 70_000);
    await page.fill('#body', 'Shorter.');

    await site.stop();
    await page.click(SUBMIT);
    await page.waitForURL('chrome-error://**');
    own.complaints.splice(0);
    await site.start();
    await page.goto('/dashboard');
    await expectDraft(page, 'Not a word is lost');

    await site.command('session', 'revoke', 'unsaved@example.com', '--yes');
    await send(page, SUBMIT);
    assert.equal(path(page), '/log-in');
    await logIn(page, 'unsaved');
    assert.equal(path(page), '/dashboard');
    await expectDraft(page, 'Not a word is lost');

    await send(page, SUBMIT);
    assert.equal(await page.textContent('article h1'), 'Not a word is lost');
    assert.equal(new URL(page.url()).search, '', 'the word of the save does not stay in the address');
    assert.equal(await drafts(page), 0);
  });
});

test('a draft does not take the place of what was written elsewhere since', async () => {
  const context = await browser.person();
  const page = await signUp(context, 'newer');
  await page.goto('/notes/new');
  await page.fill('#title', 'First');
  await page.fill('#body', 'of all');
  await send(page, SUBMIT);
  const note = page.url();
  const write = async (body) => {
    await page.fill('#body', body);
    await page.waitForFunction((body) => Object.values(localStorage).some((value) => value.includes(body)), body);
  };
  await page.goto(`${note}/edit`);
  await write('half a thought');
  // A form that was refused shows what was typed: that is no change of somebody else.
  await page.fill('#title', '');
  assert.equal((await send(page, SUBMIT)).status(), 422);
  await write('a whole thought');
  await page.goto(`${note}/edit`);
  assert.equal(await page.inputValue('#body'), 'a whole thought');
  await page.fill('#title', 'First');
  await write('a whole thought indeed');

  const elsewhere = await browser.person();
  const phone = await elsewhere.newPage();
  await logIn(phone, 'newer');
  await phone.goto(`${note}/edit`);
  await phone.fill('#body', 'written on the phone');
  await send(phone, SUBMIT);
  await elsewhere.close();

  for (const again of [false, true]) {
    await page.goto(`${note}/edit`);
    await page.waitForSelector('.draft');
    assert.equal(await page.inputValue('#body'), 'written on the phone', again ? 'still' : 'the newer note stays');
    assert.ok((await page.textContent('.draft')).includes('changed since'));
  }
  await page.click('text=Show what you typed');
  assert.equal(await page.inputValue('#body'), 'a whole thought indeed');
  assert.equal(await page.getByText('Show what you typed').count(), 0);
  await page.click('text=Discard it');
  assert.equal(await page.inputValue('#body'), 'written on the phone');
  assert.equal(await page.locator('.draft').count(), 0);
  assert.equal(await drafts(page), 0);
  await write('after all');
  await page.goto(`${note}/edit`);
  assert.equal(await page.inputValue('#body'), 'after all', 'what is typed over the newer note is a draft as any');
  browser.assertQuiet();
  await context.close();
});

test('a word of a save that nobody can know removes no draft', async () => {
  const context = await browser.person();
  const page = await signUp(context, 'forged');
  await page.goto('/notes/new');
  await page.fill('#title', 'Kept');
  await page.goto('/notes?vestibule-saved=0123456789abcdef');
  assert.equal(new URL(page.url()).search, '');
  await expectDraft(page, 'Kept');
  await context.close();
});

test('two tabs that each begin a note have a draft each', async () => {
  const context = await browser.person();
  const one = await signUp(context, 'both');
  await one.goto('/notes/new');
  await one.fill('#title', 'The first');
  await one.waitForFunction(() => Object.values(localStorage).some((value) => value.includes('The first')));
  const other = await context.newPage();
  await other.goto('/notes/new');
  await other.fill('#title', 'The second');
  await other.waitForFunction(() => Object.values(localStorage).some((value) => value.includes('The second')));
  assert.equal(await other.locator('.draft').count(), 0);
  assert.equal(await drafts(other), 2);
  for (const [tab, title] of [[one, 'The first'], [other, 'The second']]) {
    await tab.reload();
    await tab.waitForSelector('.draft');
    assert.equal(await tab.inputValue('#title'), title);
  }
  await send(one, SUBMIT);
  assert.equal(await one.textContent('article h1'), 'The first');
  assert.equal(await drafts(one), 1, 'the other draft stays');
  await send(other, SUBMIT);
  assert.equal(await other.textContent('article h1'), 'The second');
  assert.equal(await drafts(other), 0);
  await context.close();
});

test('a draft of a tab that crashed is taken up', async () => {
  const context = await browser.person();
  const page = await signUp(context, 'crash');
  await page.goto('/notes/new');
  await page.fill('#title', 'Before the crash');
  await page.waitForFunction(() => Object.values(localStorage).some((value) => value.includes('Before the crash')));
  const mark = await page.evaluate(() => Object.entries(localStorage).find(([key]) => key.startsWith('vestibule:draft:')));
  assert.ok(JSON.parse(mark[1]).isOpen);
  await page.goto('/');
  // As it is left by a tab that had no time to say that it goes.
  await page.evaluate(([key, value]) => localStorage.setItem(key, value), mark);
  const tab = await context.newPage();
  await expectDraft(tab, 'Before the crash');
  await context.close();
});

test('a form may have a field that is called action', async () => {
  const context = await browser.person();
  const page = await signUp(context, 'action');
  await context.route('**/notes/new', async (route) => {
    const answer = await route.fetch();
    const body = (await answer.text()).replace('<div class="field">', '<input type="hidden" name="action" value="x"><div class="field">');
    await route.fulfill({ response: answer, body });
  });
  await page.goto('/notes/new');
  await page.fill('#title', 'In action');
  await page.waitForFunction(() => Object.keys(localStorage).some((key) => key.startsWith('vestibule:draft:') && key.includes(':/notes#')));
  await send(page, SUBMIT);
  assert.equal(await page.textContent('article h1'), 'In action');
  assert.equal(await drafts(page), 0);
  await context.close();
});

test('drafts leave with every log-out that worked, and with no other', async () => {
  await withSite({}, async (context, site) => {
    const page = await signUp(context, 'leaves');
    const write = async () => {
      await page.goto('/notes/new');
      await page.fill('#title', 'A secret');
      await page.goto('/account');
      assert.equal(await drafts(page), 1);
    };
    await write();
    const bringBack = await site.loseDatabase('offline');
    assert.equal((await send(page, '.visitor button')).status(), 503);
    await bringBack();
    assert.equal(await drafts(page), 1, 'who is not logged out keeps what they wrote');
    await page.goto('/account');
    assert.equal(await drafts(page), 1);
    await send(page, '.sessions >> text=Log out');
    assert.equal(path(page), '/');
    assert.equal(await drafts(page), 0);

    await logIn(page, 'leaves');
    await write();
    await page.click('#delete summary');
    await page.fill('#delete-password', 'wrong window thursday');
    await send(page, '#delete button.danger');
    assert.equal(await drafts(page), 1);
    await page.fill('#delete-password', PASSWORD);
    await send(page, '#delete button.danger');
    assert.equal(path(page), '/log-in');
    assert.equal(await drafts(page), 0);
  });
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

test('the hint knows whose password it is to be, on the account page and behind a link', async () => {
  const name = 'qvortumblix';
  const weak = `${name}2026`;
  const context = await browser.person();
  const page = await signUp(context, name);
  /** Types a new password and compares the hint with what the form then says. */
  const compare = async (field, form) => {
    await page.fill(`#${field}`, weak);
    await page.waitForFunction(() => document.querySelector('.strength')?.textContent);
    const hint = await page.textContent('.strength');
    assert.equal(await page.locator('.strength.good').count(), 0, hint);
    await send(page, `${form} button[type=submit]`);
    assert.equal(await page.textContent(`#${field}-error`), hint);
    await page.fill(`#${field}`, OTHER_PASSWORD);
    await page.waitForSelector('.strength.good');
  };
  await page.goto('/account');
  // As after some minutes on the page.
  await expireAccess(context);
  await page.fill('#current-password', PASSWORD);
  await compare('new-password', '#password');

  await send(page, '.visitor button');
  await page.goto('/forgot-password');
  await page.fill('#email', `${name}@example.com`);
  await send(page, SUBMIT);
  await page.goto(await house.mailedLink(`${name}@example.com`, 'reset-password'));
  await compare('password', 'main form');
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

const BANNER = '.session-end';

test('who is about to be logged out is told, and can stay', async () => {
  await withSite({ VESTIBULE_ACCESS_TTL: '30s', VESTIBULE_SESSION_IDLE_TTL: '122s' }, async (context) => {
    const page = await signUp(context, 'short');
    await page.goto('/notes/new');
    await page.fill('#title', 'In the middle of it');
    const ends = await page.getAttribute('meta[name="vestibule-session"]', 'content');
    await page.waitForSelector(BANNER);
    assert.ok((await page.textContent(BANNER)).includes('Your session ends at'));
    const refreshes = count(context, REFRESH);
    await page.click('text=Stay logged in');
    await page.waitForSelector(BANNER, { state: 'detached' });
    assert.equal(refreshes.requests, 1);
    assert.equal(await page.textContent('#vestibule-status'), 'You stay logged in.');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'title', 'one goes on where one was');
    const later = await page.evaluate(() => localStorage.getItem('vestibule:ends'));
    assert.ok(Date.parse(later) > Date.parse(ends), `${later} is after ${ends}`);
  });
});

test('a session that has lived as long as it may is said to end, and no press makes it longer', async () => {
  await withSite({ VESTIBULE_ACCESS_TTL: '30s', VESTIBULE_SESSION_IDLE_TTL: '110s', VESTIBULE_SESSION_ABSOLUTE_TTL: '110s' }, async (context) => {
    const page = await signUp(context, 'last');
    await page.waitForSelector(BANNER);
    const refreshes = count(context, REFRESH);
    for (let presses = 1; presses <= 2; presses += 1) {
      await page.click('text=Stay logged in');
      await page.waitForFunction((banner) => document.querySelector(banner).textContent.includes('cannot be made longer'), BANNER);
      assert.equal(refreshes.requests, presses);
    }
    assert.equal(await page.locator(BANNER).count(), 1);
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Stay logged in', 'the focus is not lost');
  });
});

test('a press while the site cannot be reached says so, and the next one helps', async () => {
  await withSite({ VESTIBULE_ACCESS_TTL: '30s', VESTIBULE_SESSION_IDLE_TTL: '122s' }, async (context) => {
    const page = await signUp(context, 'cut-off');
    await page.waitForSelector(BANNER);
    await context.route(`**${REFRESH}`, (route) => route.fulfill({ status: 503, body: '' }));
    await page.click('text=Stay logged in');
    await page.waitForFunction((banner) => document.querySelector(banner).textContent.includes('cannot be reached'), BANNER);
    await context.unrouteAll();
    await page.click('text=Stay logged in');
    await page.waitForSelector(BANNER, { state: 'detached' });
  });
});

test('a page that the server refreshed tells the other tabs, and they do not warn', async () => {
  await withSite({ VESTIBULE_ACCESS_TTL: '30s', VESTIBULE_SESSION_IDLE_TTL: '110s' }, async (context) => {
    const one = await signUp(context, 'two');
    await one.waitForSelector(BANNER);
    const first = await one.evaluate(() => localStorage.getItem('vestibule:ends'));
    // A stale access token: the server refreshes for the page, without a script.
    await expireAccess(context);
    const other = await context.newPage();
    const refreshes = count(context, REFRESH);
    await one.evaluate(() => { document.querySelector('.session-end').dataset.old = 'yes'; });
    await other.goto('/notes');
    // The warning of before is gone; with so short a session another one follows, for the later end.
    await one.waitForSelector(`${BANNER}[data-old]`, { state: 'detached' });
    const second = await one.evaluate(() => localStorage.getItem('vestibule:ends'));
    assert.ok(Date.parse(second) > Date.parse(first));
    assert.equal(refreshes.requests, 0);
  });
});

test('a tab asks the server before it says that a session is over', async () => {
  const context = await browser.person();
  const first = await signUp(context, 'asks');
  const asked = count(context, '/api/auth/session');
  // By this browser's clock the end has come. The server knows better.
  const page = await openBeforeTheEnd(context, '/notes', -1000);
  await page.waitForSelector(BANNER);
  while (asked.requests === 0) await page.waitForResponse('**/api/auth/session');
  assert.equal((await page.textContent(BANNER)).includes('is over'), false);
  assert.equal(asked.requests, 1, 'once, and not in a storm');
  await page.close();

  const over = await openBeforeTheEnd(context, '/notes/new', 1500);
  await over.fill('#title', 'Still here');
  await house.command('session', 'revoke', 'asks@example.com', '--yes');
  await over.waitForURL('**/log-in?next=%2Fnotes%2Fnew');
  await first.waitForURL('**/log-in?next=%2Fdashboard');
  await context.close();
});

test('a session that came to its end leaves what was typed, and the menu of a stranger', async () => {
  await withSite({ VESTIBULE_SESSION_IDLE_TTL: '4s', VESTIBULE_ACCESS_TTL: '2s' }, async (context) => {
    const page = await signUp(context, 'ended');
    await page.goto('/notes/new');
    await page.fill('#title', 'Not saved yet');
    await page.waitForFunction((banner) => document.querySelector(banner)?.textContent.includes('is over'), BANNER);
    assert.equal(await page.inputValue('#title'), 'Not saved yet');
    assert.equal(await page.getByText('Stay logged in').count(), 0);
    await page.waitForSelector('.visitor >> text=Log in');
    await send(page, SUBMIT);
    await logIn(page, 'ended');
    await expectDraft(page, 'Not saved yet');
  });
});

/**
 * As in a browser that keeps pages which say `no-store`, and throws none out when a cookie changes. Chromium keeps them only
 * as long as no cookie does.
 */
async function keepInMemory(context, path) {
  await context.route(`**${path}`, async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, headers: { ...answer.headers(), 'cache-control': 'private' } });
  }, { times: 1 });
  const page = await context.newPage();
  await page.addInitScript(() => {
    // The word of another tab would have the page thrown out.
    delete globalThis.BroadcastChannel;
    addEventListener('pageshow', ({ persisted }) => { globalThis.wasKept = persisted; });
  });
  return page;
}

test('a page of a stranger that comes back from the browser memory has the menu of who has logged in', async () => {
  const context = await browser.person();
  await (await signUp(await browser.person(), 'kept')).context().close();
  const page = await keepInMemory(context, '/forgot-password');
  await page.goto('/forgot-password');
  await page.fill('#email', 'half an addr');
  await page.goto('/sign-up');
  await logIn(await context.newPage(), 'kept');
  await page.evaluate(() => history.back());
  // Nothing is loaded where a page comes from the memory.
  await page.waitForURL('**/forgot-password', { waitUntil: 'commit' });
  await page.waitForSelector('.visitor .name');
  assert.equal(await page.evaluate(() => globalThis.wasKept), true, 'it came from the memory');
  assert.equal(await page.inputValue('#email'), 'half an addr');
  await context.close();
});

/** A browser that does not know the header, or a site on plain http. */
const withoutClearSiteData = async (route) => {
  const answer = await route.fetch({ maxRedirects: 0 });
  const headers = answer.headersArray().filter(({ name }) => name.toLowerCase() !== 'clear-site-data');
  assert.equal(headers.length, answer.headersArray().length - 1, 'a log-out has the header');
  const cookies = headers.filter(({ name }) => name.toLowerCase() === 'set-cookie').map(({ value }) => value);
  await route.fulfill({
    status: answer.status(),
    headers: { ...Object.fromEntries(headers.map(({ name, value }) => [name, value])), 'set-cookie': cookies.join('\n') },
  });
};

test('nothing protected comes back from the browser memory after a log-out', async () => {
  const context = await browser.person();
  await context.route('**/log-out', withoutClearSiteData);
  await signUp(context, 'protected');
  const page = await keepInMemory(context, '/dashboard');
  await page.addInitScript(() => {
    // What stood there as it was left again.
    addEventListener('pagehide', () => {
      if (globalThis.wasKept) sessionStorage.setItem('left', document.querySelector('main').textContent);
    });
  });
  await page.goto('/dashboard');
  await page.goto('/forgot-password/sent');
  const other = await context.newPage();
  await other.goto('/');
  await send(other, '.visitor button');
  await page.evaluate(() => history.back());
  await page.waitForURL('**/log-in?next=%2Fdashboard');
  assert.equal(await page.evaluate(() => sessionStorage.getItem('left')), '', 'it came from the memory, and was blank at once');
  await context.close();
});
