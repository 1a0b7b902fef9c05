// What people do, from the first page to the last, with JavaScript on and with it off.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { logIn, openBrowser, send, signUp } from './support/browser.js';
import { openHouse, OTHER_PASSWORD, PASSWORD } from '../support/house.js';

const SUBMIT = 'main form button[type=submit]';
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

for (const javaScript of [true, false]) {
  const mark = javaScript ? 'js' : 'plain';
  const own = (name) => `${name}.${mark}`;

  describe(javaScript ? 'with JavaScript' : 'without JavaScript', () => {
    test('a sign-up that is not right keeps what was typed, and the password is typed anew', async () => {
      const context = await browser.person({ javaScript });
      const page = await context.newPage();
      await page.goto('/sign-up?next=/notes');
      await page.fill('#name', 'Ann');
      await page.fill('#email', 'nobody');
      await page.fill('#password', 'short');
      assert.equal((await send(page, SUBMIT)).status(), 422);
      assert.equal(await page.inputValue('#name'), 'Ann');
      assert.equal(await page.inputValue('#email'), 'nobody');
      assert.equal(await page.inputValue('#password'), '');
      assert.ok(await page.locator('#email-error').isVisible());
      assert.equal(await page.getAttribute('#email', 'aria-describedby'), 'email-error');
      await page.fill('#email', `${own('ann')}@example.com`);
      await page.fill('#password', PASSWORD);
      await send(page, SUBMIT);
      assert.equal(path(page), '/notes', 'on to where the person wanted to go');
      await context.close();
    });

    test('who logs out and goes back sees nothing protected', async () => {
      const context = await browser.person({ javaScript });
      const page = await signUp(context, own('back'));
      await page.goto('/notes');
      await page.goto('/dashboard');
      await send(page, '.visitor button');
      assert.equal(path(page), '/');
      await page.goBack();
      await page.waitForURL('**/log-in**');
      assert.equal((await page.content()).includes('Good to see you'), false);
      await page.goto('/notes');
      assert.equal(path(page), '/log-in');
      await logIn(page, own('back'), 'wrong window thursday');
      assert.ok((await page.textContent('[role=alert]')).includes('not right'));
      assert.equal(await page.inputValue('#email'), `${own('back')}@example.com`);
      await logIn(page, own('back'));
      assert.equal(path(page), '/dashboard');
      await context.close();
    });

    test('an address is confirmed by the link of the mail', async () => {
      const context = await browser.person({ javaScript });
      const page = await signUp(context, own('confirm'));
      const first = await house.mailedLink(`${own('confirm')}@example.com`, 'confirm-email');
      await page.goto('/confirm-email/resend');
      await send(page, SUBMIT);
      assert.ok((await page.textContent('[role=status]')).includes('on its way'));
      const link = await house.mailedLink(`${own('confirm')}@example.com`, 'confirm-email', first);
      // A41: a scanner that runs scripts and waits confirms nothing, for no page sends itself.
      const scanner = await (await browser.person({ javaScript })).newPage();
      for (const visitor of [scanner, page]) {
        await visitor.goto(link, { waitUntil: 'networkidle' });
        assert.equal(path(visitor), '/confirm-email');
      }
      await scanner.context().close();
      await page.goto('/account');
      assert.ok(!(await page.getByText('confirmed', { exact: true }).isVisible()));
      await page.goto(link);
      await send(page, SUBMIT);
      assert.equal(path(page), '/confirm-email/done');
      await page.goto('/account');
      assert.ok(await page.getByText('confirmed', { exact: true }).isVisible());
      await page.goto(link);
      await send(page, SUBMIT);
      assert.equal(path(page), '/confirm-email', 'a link is good once');
      await context.close();
    });

    test('a forgotten password is replaced by the link of the mail', async () => {
      const context = await browser.person({ javaScript });
      const page = await signUp(context, own('forgot'));
      await send(page, '.visitor button');
      await page.goto('/log-in');
      await send(page, 'text=Forgot your password?');
      await page.fill('#email', `${own('forgot')}@example.com`);
      await send(page, SUBMIT);
      assert.equal(path(page), '/forgot-password/sent');
      await page.goto(await house.mailedLink(`${own('forgot')}@example.com`, 'reset-password'));
      await page.fill('#password', 'short');
      await send(page, SUBMIT);
      assert.ok(await page.locator('#password-error').isVisible());
      await page.fill('#password', OTHER_PASSWORD);
      await send(page, SUBMIT);
      assert.equal(path(page), '/log-in');
      await logIn(page, own('forgot'), OTHER_PASSWORD);
      assert.equal(path(page), '/dashboard');
      await context.close();
    });

    test('an account is looked after on its page, and ended', async () => {
      const context = await browser.person({ javaScript });
      const page = await signUp(context, own('account'));
      const elsewhere = await browser.person({ javaScript });
      const second = await elsewhere.newPage();
      await logIn(second, own('account'));

      await page.goto('/account');
      await page.fill('#name-field', 'Ann Lee');
      await send(page, '#name button[type=submit]');
      assert.ok((await page.textContent('[role=status]')).includes('name is changed'));
      assert.equal(await page.inputValue('#name-field'), 'Ann Lee');

      assert.equal(await page.locator('.sessions li').count(), 2);
      await send(page, 'text=Log out everywhere else');
      assert.equal(await page.locator('.sessions li').count(), 1);
      await second.goto('/dashboard');
      assert.equal(path(second), '/log-in');
      await logIn(second, own('account'));
      await page.goto('/account');
      await send(page, '.sessions form:not([data-vestibule-log-out]) button');
      assert.equal(await page.locator('.sessions li').count(), 1);
      await second.goto('/dashboard');
      assert.equal(path(second), '/log-in', 'one session can be ended alone');

      await page.fill('#new-email', `${own('moved')}@example.com`);
      await page.fill('#email-password', 'wrong window thursday');
      await send(page, '#email button[type=submit]');
      assert.equal(await page.inputValue('#new-email'), `${own('moved')}@example.com`);
      await page.fill('#email-password', PASSWORD);
      await send(page, '#email button[type=submit]');
      const dropped = await house.mailedLink(`${own('moved')}@example.com`, 'confirm-email');
      await page.goto('/account');
      await send(page, 'text=Keep the present address');
      assert.ok(!(await page.textContent('#email')).includes(`${own('moved')}@example.com`));
      await page.goto(dropped);
      await send(page, SUBMIT);
      assert.equal(path(page), '/confirm-email', 'its link is over');

      await page.goto('/account');
      await page.fill('#new-email', `${own('moved')}@example.com`);
      await page.fill('#email-password', PASSWORD);
      await send(page, '#email button[type=submit]');
      await page.goto(await house.mailedLink(`${own('moved')}@example.com`, 'confirm-email', dropped));
      await send(page, SUBMIT);
      await page.goto('/account');
      assert.ok((await page.textContent('#email')).includes(`${own('moved')}@example.com`));

      await page.fill('#current-password', PASSWORD);
      await page.fill('#new-password', OTHER_PASSWORD);
      await send(page, '#password button[type=submit]');
      assert.ok((await page.textContent('[role=status]')).includes('password is changed'));

      const [download] = await Promise.all([page.waitForEvent('download'), page.click('#export a')]);
      assert.equal(download.suggestedFilename(), 'account.json');

      await page.click('#delete summary');
      await page.fill('#delete-password', OTHER_PASSWORD);
      await send(page, '#delete button[type=submit]');
      assert.equal(path(page), '/log-in');
      await logIn(page, own('moved'), OTHER_PASSWORD);
      assert.equal(path(page), '/log-in', 'there is no such account');
      await context.close();
      await elsewhere.close();
    });

    test('notes are written, changed and thrown away', async () => {
      const context = await browser.person({ javaScript });
      const page = await signUp(context, own('notes'));
      await page.goto('/notes');
      await send(page, 'main .empty a');
      await page.fill('#body', 'A line that must not be lost.');
      await send(page, SUBMIT);
      assert.equal(await page.inputValue('#body'), 'A line that must not be lost.');
      await page.fill('#title', '<b>First</b>');
      await send(page, SUBMIT);
      assert.equal(await page.textContent('article h1'), '<b>First</b>');
      await send(page, 'text=Edit');
      await page.fill('#title', 'Second');
      await send(page, SUBMIT);
      assert.equal(await page.textContent('article h1'), 'Second');
      await page.click('details summary');
      await send(page, 'details button');
      assert.ok(await page.getByText('Nothing here yet').isVisible());
      await context.close();
    });

    test('an admin looks after a user', async () => {
      const context = await browser.person({ javaScript });
      const page = await signUp(context, own('admin'));
      const other = await browser.person({ javaScript });
      const theirs = await signUp(other, own('user'));
      await page.goto('/admin');
      assert.ok((await page.textContent('h1')).includes('Not allowed'));
      await house.command('user', 'set-role', `${own('admin')}@example.com`, 'admin');
      await page.goto('/dashboard');
      await send(page, 'nav >> text=Admin');
      assert.equal(await page.locator('svg[role=img]').count(), 4);
      await page.goto('/admin/users');
      await page.fill('#q', own('user'));
      await send(page, 'text=Search');
      await send(page, 'table a');
      await send(page, 'text=Disable the account');
      assert.ok((await page.textContent('[role=status]')).includes('disabled'));
      await theirs.goto('/dashboard');
      assert.equal(path(theirs), '/log-in');
      await send(page, 'text=Enable the account');
      await logIn(theirs, own('user'));
      assert.equal(path(theirs), '/dashboard');
      await page.goto('/admin/audit?kind=user_disabled');
      assert.ok((await page.textContent('table')).includes('user disabled'));
      await context.close();
      await other.close();
    });

    test('an admin whose password was given long ago gives it, presses again, and the deed is done', async () => {
      const context = await browser.person({ javaScript });
      const page = await signUp(context, own('late-admin'));
      const other = await browser.person({ javaScript });
      await signUp(other, own('late-user'));
      await house.command('user', 'set-role', `${own('late-admin')}@example.com`, 'admin');
      await page.goto(`/admin/users?q=${own('late-user')}`);
      await send(page, 'table a');
      const user = path(page);
      await send(page, 'text=Send a link to reset the password');
      assert.ok((await page.textContent('[role=status]')).includes('on its way'));

      await house.letPasswordsGrowOld();
      await send(page, 'text=Disable the account');
      assert.equal(path(page), '/confirm-password');
      assert.ok((await page.textContent('main')).includes('Nothing was done yet'));
      await page.fill('#password', 'wrong window thursday');
      await send(page, SUBMIT);
      assert.ok(await page.locator('#password-error').isVisible());
      await page.fill('#password', PASSWORD);
      await send(page, SUBMIT);
      assert.equal(path(page), user);
      assert.equal(await page.textContent('[role=status] p'), 'Nothing was done yet. Press again.');
      await send(page, 'text=Disable the account');
      assert.ok((await page.textContent('[role=status]')).includes('disabled'));
      assert.ok(await page.locator('h1 .badge').isVisible());
      await context.close();
      await other.close();
    });

    test('where nothing is, the site says so in its own words', async () => {
      const context = await browser.person({ javaScript });
      const page = await context.newPage();
      const answer = await page.goto('/nowhere');
      assert.equal(answer.status(), 404);
      assert.ok(await page.locator('header .brand').isVisible());
      assert.ok((await page.textContent('h1')).includes('Nothing here'));
      await context.close();
    });
  });
}

test('where addresses are to be confirmed, the page that was asked for opens after that', async () => {
  const strict = await openHouse({ VESTIBULE_REQUIRE_CONFIRMED_EMAIL: 'on' });
  const ownBrowser = await openBrowser(strict);
  try {
    const page = await (await ownBrowser.person()).newPage();
    await page.goto('/sign-up');
    await page.fill('#name', 'Ann');
    await page.fill('#email', 'ann@example.com');
    await page.fill('#password', PASSWORD);
    await send(page, SUBMIT);
    await page.goto('/notes');
    assert.equal(path(page), '/confirm-email/resend');
    const first = await strict.mailedLink('ann@example.com', 'confirm-email');
    await send(page, SUBMIT);
    await page.goto(await strict.mailedLink('ann@example.com', 'confirm-email', first));
    await send(page, SUBMIT);
    await page.goto('/notes');
    assert.equal(path(page), '/notes');
    ownBrowser.assertQuiet();
  } finally {
    await ownBrowser.close();
    await strict.close();
  }
});

test('what was typed while the server is gone is there when it is back', async () => {
  const context = await browser.person();
  const page = await signUp(context, 'away');
  await page.goto('/notes/new');
  await page.fill('#title', 'Must not be lost');
  await page.fill('#body', 'Not a word of it.');
  await house.stop();
  await page.click(SUBMIT);
  await page.waitForURL('chrome-error://**');
  browser.complaints.splice(0);
  await house.start();
  await page.goto('/notes/new');
  assert.equal(await page.inputValue('#title'), 'Must not be lost');
  await send(page, SUBMIT);
  assert.equal(await page.textContent('article h1'), 'Must not be lost');
  await context.close();
});

describe('where the address is confirmed before there is an account, without JavaScript', () => {
  let discreet;
  let ownBrowser;
  before(async () => {
    discreet = await openHouse({ VESTIBULE_SIGN_UP: 'confirm_first' });
    ownBrowser = await openBrowser(discreet);
  });
  after(async () => {
    await ownBrowser?.close();
    await discreet?.close();
  });
  afterEach(() => ownBrowser.assertQuiet());

  async function begin(context, email) {
    const page = await context.newPage();
    await page.goto('/sign-up');
    await page.fill('#name', 'Ann');
    await page.fill('#email', email);
    await page.fill('#password', PASSWORD);
    await send(page, SUBMIT);
    assert.equal(path(page), '/sign-up/sent');
    return page;
  }

  test('a mistyped address is corrected, and the link makes the account', async () => {
    const context = await ownBrowser.person({ javaScript: false });
    const page = await begin(context, 'anm@example.com');
    assert.ok((await page.textContent('main')).includes('anm@example.com'));
    await page.fill('#email', 'ann@example.com');
    await send(page, SUBMIT);
    assert.ok((await page.textContent('[role=status]')).includes('on its way'));
    await page.goto(await discreet.mailedLink('ann@example.com', 'confirm-sign-up'));
    assert.equal(await page.locator('#password').count(), 0, 'this browser began');
    await send(page, 'text=Create my account');
    assert.equal(path(page), '/dashboard');
    await page.goto('/account');
    assert.ok(await page.getByText('confirmed', { exact: true }).isVisible());
    await context.close();

    // Who tries the same address sees the same page, and its owner is told.
    const stranger = await ownBrowser.person({ javaScript: false });
    const seen = await begin(stranger, 'ann@example.com');
    assert.ok((await seen.textContent('main')).includes('We have sent a mail to ann@example.com'));
    for (let tries = 0; ; tries += 1) {
      const mails = await (await fetch(`${discreet.url}/dev/mailbox.json`)).json();
      if (mails.some((mail) => mail.to === 'ann@example.com' && mail.subject.includes('You have an account'))) break;
      assert.ok(tries < 100, 'the owner of the address is told');
      await seen.waitForTimeout(50);
    }
    await stranger.close();
  });

  test('another browser gives the password, and who did not sign up says so', async () => {
    const context = await ownBrowser.person({ javaScript: false });
    await begin(context, 'bob@example.com');
    const link = await discreet.mailedLink('bob@example.com', 'confirm-sign-up');
    const elsewhere = await ownBrowser.person({ javaScript: false });
    const page = await elsewhere.newPage();
    await page.goto(link);
    await page.fill('#password', 'wrong window thursday');
    await send(page, 'text=Create my account');
    assert.ok(await page.locator('#password-error').isVisible());
    await page.fill('#password', PASSWORD);
    await send(page, 'text=Create my account');
    assert.equal(path(page), '/dashboard');
    await elsewhere.close();

    await begin(context, 'cid@example.com');
    const owner = await ownBrowser.person({ javaScript: false });
    const mailbox = await owner.newPage();
    await mailbox.goto(await discreet.mailedLink('cid@example.com', 'confirm-sign-up'));
    await send(mailbox, 'text=It was not me');
    assert.equal(path(mailbox), '/confirm-sign-up/declined');
    await owner.close();
    await context.close();
  });
});
