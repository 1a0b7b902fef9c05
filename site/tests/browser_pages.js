// The pages of this site for the browser tests (`cargo xtask browser`) and the screenshots: which there are, and how one
// gets to each of their states. The pages of accounts and of administration are in `tests/browser/support/pages.js`.
//
// A test compares these lists with the router, so that no page is forgotten.

import assert from 'node:assert/strict';
import { openBeforeTheEnd, send, writeNotes } from '../../tests/browser/support/browser.js';

const SUBMIT = 'main form button[type=submit]';

/** Pages for everybody that need no more than to be opened. */
export const OPEN_PAGES = [
  '/',
];

/** Pages for who is logged in that need no more than to be opened. */
export const LOGGED_IN_PAGES = [
  '/dashboard',
];

/** Pages that `walk` leads through, because they have states or an id. */
export const WALKED_PAGES = [
  '/notes',
  '/notes/new',
  '/notes/{id}',
  '/notes/{id}/edit',
];

/**
 * Walks through the latter with somebody who has just signed up: `own` is their page, `on(path, name)` opens one and looks at
 * it, and `see(page, name)` looks at one that was come to in another way. Every state has a name of its own, which the picture
 * of it has too. What only a script shows is left out without `javaScript`.
 */
export async function walk({ context, own, on, see, javaScript }) {
  await on('/notes', 'notes-empty');
  await on('/notes/new', 'note-new');
  await own.fill('#title', '');
  await send(own, SUBMIT);
  await see(own, 'note-error');
  await own.fill('#title', 'Things that a doorkeeper has to know');
  await own.fill('#body', 'Who is who.\nWho was who.\n\nWho may go where, and until when.');
  await send(own, SUBMIT);
  await see(own, 'note');
  await own.click('details summary');
  await see(own, 'note-delete');
  await send(own, 'text=Edit');
  await see(own, 'note-edit');
  if (javaScript) {
    await own.fill('#body', 'Half a thought');
    await own.reload();
    await own.waitForSelector('.draft');
    await see(own, 'note-draft');
    await own.click('.draft button');
    const ending = await openBeforeTheEnd(context, '/dashboard', 60_000);
    await ending.waitForSelector('.session-end');
    await see(ending, 'session-ends');
    await ending.close();
  }
  await own.fill('#body', 'x'.repeat(70_000));
  assert.equal((await send(own, SUBMIT)).status(), 413);
  await see(own, 'error-413');
  await on('/notes', 'notes');
  await writeNotes(context, 25);
  await on('/notes', 'notes-many');
  await send(own, 'text=Older');
  await see(own, 'notes-second-page');
}
