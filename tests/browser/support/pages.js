// Every page, in every state that a person can bring it into: for the screenshots and for axe. Those of the site itself are in
// `site/tests/browser_pages.js`.

import assert from 'node:assert/strict';
import * as site from '../../../site/tests/browser_pages.js';
import { openHouse, OTHER_PASSWORD, PASSWORD } from '../../support/house.js';
import { logIn, send, signUp } from './browser.js';

const SUBMIT = 'main form button[type=submit]';

/** Every page of accounts, by its route. A test of the site compares the lists with the router's, so that none is forgotten. */
export const PAGES = [
  '/sign-up',
  '/log-in',
  '/confirm-email',
  '/confirm-email/done',
  '/confirm-email/resend',
  '/forgot-password',
  '/forgot-password/sent',
  '/reset-password',
  '/account',
  '/confirm-password',
  '/admin',
  '/admin/users',
  '/admin/users/{id}',
  '/admin/invitations',
  '/admin/service-keys',
  '/admin/mails',
  '/admin/audit',
  '/api/docs',
  '/dev/mailbox',
  '/dev/mailbox/{id}',
];

/** The pages of a house where the address is confirmed before there is an account. */
export const CONFIRM_FIRST_PAGES = [
  '/sign-up/sent',
  '/confirm-sign-up',
  '/confirm-sign-up/declined',
];

/** Addresses that lead on or give a file: nothing is to be seen there. */
export const NO_PAGES = [
  '/refresh',
  '/account/export',
  '/.well-known/change-password',
];

/** Every page that `walk` leads through. */
export const ALL_PAGES = [...site.OPEN_PAGES, ...site.LOGGED_IN_PAGES, ...site.WALKED_PAGES, ...PAGES];

/** What a page that only has to be opened is called: `/about/us` is `about-us`. */
function nameOf(path) {
  return path.slice(1).replaceAll('/', '-') || 'home';
}

/** The pages that were not among some addresses. */
export function missingPages(seen, pages = ALL_PAGES) {
  const patterns = pages.map((route) => [route, new RegExp(`^${route.replaceAll('{id}', '(?!new$)[^/]+')}$`)]);
  return patterns.filter(([, pattern]) => !seen.some((path) => pattern.test(path))).map(([route]) => route);
}

/**
 * Walks through all pages with a person's browser and calls `see(page, name, { isMail })` on each. `name` makes the accounts of this
 * walk its own. What only a script shows is left out with `javaScript: false`.
 */
export async function walk(house, context, name, see, { javaScript = true } = {}) {
  const email = `${name}@example.com`;
  const page = await context.newPage();
  const at = async (path, shown) => { await page.goto(path); await see(page, shown); };

  for (const path of site.OPEN_PAGES) await at(path, nameOf(path));
  await at('/sign-up', 'sign-up');
  await page.fill('#name', name);
  await page.fill('#email', 'nobody');
  await page.fill('#password', 'short');
  await send(page, SUBMIT);
  await see(page, 'sign-up-errors');
  await at('/log-in', 'log-in');
  await page.fill('#email', email);
  await page.fill('#password', 'wrong window thursday');
  await send(page, SUBMIT);
  await see(page, 'log-in-refused');
  await at('/api/docs', 'api-docs');
  await at('/log-in?notice=password-reset', 'log-in-after-reset');
  await at('/nowhere', 'error-404');
  await at('/forgot-password', 'forgot-password');
  await page.fill('#email', 'nobody');
  await send(page, SUBMIT);
  await see(page, 'forgot-password-error');
  await at('/forgot-password/sent', 'forgot-password-sent');
  await at('/confirm-email?token=none', 'confirm-email');
  await page.fill('#password', PASSWORD);
  await send(page, SUBMIT);
  await see(page, 'confirm-email-over');
  await at('/reset-password?token=none', 'reset-password');
  await page.fill('#password', OTHER_PASSWORD);
  await send(page, SUBMIT);
  await see(page, 'reset-password-over');
  await page.close();
  await walkByInvitation(house, context, see);

  const own = await signUp(context, name);
  const on = async (path, shown) => { await own.goto(path); await see(own, shown); };
  await see(own, 'dashboard');
  for (const path of site.OPEN_PAGES) await on(path, `${nameOf(path)}-logged-in`);
  for (const path of site.LOGGED_IN_PAGES.filter((path) => path !== '/dashboard')) await on(path, nameOf(path));
  await site.walk({ context, own, on, see, javaScript });
  await on('/account', 'account');
  await own.fill('#name-field', `${name} Lee`);
  await send(own, '#name button[type=submit]');
  await see(own, 'account-changed');
  await own.fill('#new-email', 'nobody');
  await send(own, '#email button[type=submit]');
  await see(own, 'account-errors');
  await own.click('#delete summary');
  await own.fill('#delete-password', 'wrong window thursday');
  await send(own, '#delete button.danger');
  await see(own, 'account-delete-refused');
  await on('/confirm-email/resend', 'resend-confirmation');
  await send(own, SUBMIT);
  await see(own, 'resend-confirmation-sent');
  let status = 0;
  for (let presses = 0; presses < 20 && status !== 429; presses += 1) {
    await own.goto('/confirm-email/resend');
    status = (await send(own, SUBMIT)).status();
  }
  assert.equal(status, 429);
  await see(own, 'resend-confirmation-too-many');
  await on('/confirm-password', 'confirm-password');
  await own.fill('#password', 'wrong window thursday');
  await send(own, SUBMIT);
  await see(own, 'confirm-password-wrong');
  await on('/admin', 'error-403');

  await house.command('user', 'set-role', email, 'admin');
  // So that who walks here is the only admin, and cannot leave.
  if (house.admin) await house.command('user', 'set-role', house.admin, 'user');
  house.admin = email;
  await on('/admin', 'admin');
  await on('/admin/users', 'admin-users');
  await on('/admin/users?q=nobody-has-this', 'admin-users-none');
  await own.goto(`/admin/users?q=${encodeURIComponent(email)}`);
  await send(own, 'table a');
  await see(own, 'admin-user');
  await own.selectOption('#role', 'user');
  assert.equal((await send(own, 'form[action$="/role"] button')).status(), 409);
  await see(own, 'admin-user-refused');
  const other = `other-than-${email}`;
  await house.addUser(other, 'Somebody Else');
  await own.goto(`/admin/users?q=${encodeURIComponent(other)}`);
  await send(own, 'table a');
  await send(own, 'form[action$="/disable"] button');
  await see(own, 'admin-user-disabled');
  await on('/admin/invitations', 'admin-invitations-none');
  await own.fill('#email', 'nobody');
  await send(own, SUBMIT);
  await see(own, 'admin-invitations-error');
  await own.fill('#email', `guest-of-${email}`);
  await send(own, SUBMIT);
  await see(own, 'admin-invitations');
  await on('/admin/service-keys', 'admin-service-keys-none');
  await send(own, SUBMIT);
  await see(own, 'admin-service-keys-errors');
  await own.fill('#name', `wiki-of-${name}`);
  await own.check('input[name="revocations:read"]');
  await send(own, SUBMIT);
  await see(own, 'admin-service-keys');
  await on('/admin/mails', 'admin-mails');
  await on('/admin/mails?state=sending', 'admin-mails-none');
  await on('/admin/audit', 'admin-audit');
  await on(`/admin/audit?user=${encodeURIComponent(other)}&admin=${encodeURIComponent(email)}&from=2026-01-01`, 'admin-audit-found');
  await on('/admin/audit?kind=nonsense', 'admin-audit-wrong');
  await house.mailedLink(email, 'confirm-email');
  await on('/dev/mailbox', 'dev-mailbox');
  await send(own, 'text=As a mail program shows it >> nth=0');
  // As a mail program does, it runs no scripts.
  await see(own, 'dev-mailbox-letter', { isMail: true });

  await on(await house.mailedLink(email, 'confirm-email'), 'confirm-email-own');
  await send(own, SUBMIT);
  await see(own, 'confirm-email-done');

  await own.goto('/account');
  await own.fill('#new-email', `new.${email}`);
  await own.fill('#email-password', PASSWORD);
  await send(own, '#email form[action="/account/email"] button[type=submit]');
  await see(own, 'account-pending-email');
  await on(await house.mailedLink(`new.${email}`, 'confirm-email'), 'confirm-email-change');
  await house.letMailsDie(email);
  await on('/admin/mails?state=dead', 'admin-mails-dead');

  await own.close();

  const fragile = await openHouse();
  house.neighbours.push(fragile.url);
  const stays = await signUp(context, name, fragile.url);
  for (const [how, status] of [['offline', 503], ['broken', 500]]) {
    const bringBack = await fragile.loseDatabase(how);
    assert.equal((await stays.goto(`${fragile.url}/notes`)).status(), status);
    await see(stays, `error-${status}`);
    await bringBack();
  }
  assert.equal((await stays.goto(`${fragile.url}/notes`)).status(), 200);
  await stays.close();
  await fragile.close();
  return { email, logIn: (page) => logIn(page, name) };
}

/** The door of a house that one comes into by invitation, and of one that is closed. */
async function walkByInvitation(house, context, see) {
  for (const mode of ['invite', 'closed']) {
    const door = await openHouse({ VESTIBULE_SIGN_UP: mode });
    house.neighbours.push(door.url);
    const page = await context.newPage();
    await page.goto(`${door.url}/sign-up`);
    await see(page, `sign-up-${mode}`);
    if (mode === 'invite') {
      await page.goto(await door.invitation());
      await see(page, 'sign-up-invited');
      await page.goto(`${door.url}/sign-up?invite=${'A'.repeat(43)}`);
      await page.fill('#name', 'Late');
      await page.fill('#email', 'late@example.com');
      await page.fill('#password', PASSWORD);
      await send(page, SUBMIT);
      await see(page, 'sign-up-invitation-over');
    }
    await page.close();
    await door.close();
  }
}

/** The same for the pages of a house where the address is confirmed before there is an account. */
export async function walkConfirmFirst(house, context, name, see) {
  const email = `${name}@example.com`;
  const page = await context.newPage();
  await page.goto('/sign-up/sent');
  await see(page, 'sign-up-sent-none');
  await page.goto('/sign-up');
  await page.fill('#name', name);
  await page.fill('#email', `x.${email}`);
  await page.fill('#password', PASSWORD);
  await send(page, SUBMIT);
  await see(page, 'sign-up-sent');
  await page.fill('#email', 'nobody');
  await send(page, SUBMIT);
  await see(page, 'sign-up-sent-error');
  await page.fill('#email', email);
  await send(page, SUBMIT);
  await see(page, 'sign-up-sent-again');
  const link = await house.mailedLink(email, 'confirm-sign-up');
  const other = await page.context().browser().newContext({
    baseURL: house.url,
    colorScheme: await page.evaluate(() => (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')),
    viewport: page.viewportSize(),
  });
  const elsewhere = await other.newPage();
  await elsewhere.goto(link);
  await see(elsewhere, 'confirm-sign-up-elsewhere');
  await elsewhere.fill('#password', 'wrong window thursday');
  await send(elsewhere, 'form[action="/confirm-sign-up"] button[type=submit]');
  await see(elsewhere, 'confirm-sign-up-wrong');
  await page.goto(link);
  await see(page, 'confirm-sign-up');
  await send(page, 'form[action="/confirm-sign-up/decline"] button[type=submit]');
  await see(page, 'sign-up-declined');
  await page.goto(link);
  await send(page, 'form[action="/confirm-sign-up"] button[type=submit]');
  await see(page, 'confirm-sign-up-over');
  const taken = `taken.${email}`;
  await page.goto('/sign-up');
  await page.fill('#name', name);
  await page.fill('#email', taken);
  await page.fill('#password', PASSWORD);
  await send(page, SUBMIT);
  const late = await house.mailedLink(taken, 'confirm-sign-up');
  await house.addUser(taken, 'Somebody Else');
  await page.goto(late);
  assert.equal((await send(page, 'form[action="/confirm-sign-up"] button[type=submit]')).status(), 409);
  await see(page, 'confirm-sign-up-taken');
  await other.close();
  await page.close();
}
