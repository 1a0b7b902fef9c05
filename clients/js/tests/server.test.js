// The client of servers: who sends a request, by asking the real server.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { createClient } from '../src/index.js';
import { createServerClient } from '../src/server.js';
import { NO_LIMITS, openHouse, PASSWORD } from '../../../tests/support/house.js';
import { openJar } from './support/jar.js';

const REFRESH = '/api/auth/refresh';
const SESSION = '/api/auth/session';
let house;
/** The browser of a person, and what the server behind it asks. */
let jar;
let browser;
let asked;
let server;
let people = 0;
before(async () => { house = await openHouse(NO_LIMITS); });
after(async () => {
  const { stdout } = await house.command('audit', 'tail', '--json');
  await house.close();
  assert.ok(!stdout.includes('refresh_reused'), 'nobody was logged out by a refresh');
});
beforeEach(async () => {
  jar = openJar();
  asked = openJar();
  asked.header = () => '';
  globalThis.document = { get cookie() { return jar.readable(); } };
  browser = createClient({ baseUrl: house.url, fetch: jar.fetch });
  server = createServerClient({ publicUrl: house.url, fetch: (url, options) => { asked.asked.push(url.pathname); return fetch(url, options); } });
  people += 1;
  await browser.signUp({ name: 'Ann', email: `ann.${people}@example.com`, password: PASSWORD });
});

const email = () => `ann.${people}@example.com`;
const headers = (more) => new Headers({ cookie: `theme=dark; ${jar.header()}`, ...more });
const request = (options) => new Request(`${house.url}/somewhere`, { ...options, headers: headers(options?.headers) });
const expireAccess = () => jar.cookies.delete('vestibule_access');
const settle = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

test('it says who sends a request, by request, headers or cookies', async () => {
  for (const source of [request(), headers(), jar.header()]) {
    const { user, session, setCookie } = await server.getSession(source);
    assert.equal(user.email, email());
    assert.equal(session.current, true);
    assert.deepEqual(setCookie, []);
  }
  assert.deepEqual(asked.asked, [SESSION, SESSION, SESSION]);
  await assert.rejects(server.getSession({ getAll: () => [], get: () => undefined }), TypeError);
});

test('without our cookies nobody is asked', async () => {
  assert.equal(await server.getSession(new Headers({ cookie: 'theme=dark; other=1' })), null);
  assert.equal(await server.getSession(new Headers()), null);
  assert.deepEqual(asked.asked, []);
});

test('of a request, only our cookies are passed on', async () => {
  const sent = [];
  const curious = createServerClient({ publicUrl: house.url, fetch: (url, options) => { sent.push(options.headers); return fetch(url, options); } });
  await curious.getSession(headers({ 'x-forwarded-for': '192.0.2.1', 'user-agent': 'A browser', 'x-secret': 'own' }));
  assert.deepEqual(Object.keys(sent[0]).sort(), ['cookie', 'user-agent', 'x-forwarded-for']);
  assert.ok(!sent[0].cookie.includes('theme') && !sent[0].cookie.includes('device'));
});

test('a session that was ended is over at once, though its access token verifies still', async () => {
  const cookies = jar.header();
  assert.ok(await server.getSession(cookies));
  await browser.logOut();
  assert.ok(await server.verify(cookies.match(/vestibule_access=([^;]+)/)[1]));
  assert.equal(await server.getSession(cookies), null);
});

test('a request that changes something needs the CSRF token', async () => {
  const token = jar.cookies.get('vestibule_csrf').value;
  for (const more of [{}, { 'x-csrf-token': 'wrong' }, { 'x-csrf-token': '' }]) {
    await assert.rejects(async () => server.getSession(request({ method: 'POST', headers: more })), { code: 'csrf_failed', status: 403 });
  }
  assert.ok(await server.getSession(request({ method: 'POST', headers: { 'x-csrf-token': token } })));
  // One that a neighbour has planted, beside the own one and in its place, fits itself and not the session.
  const both = new Request(house.url, { method: 'POST', headers: { cookie: `vestibule_csrf=planted; ${jar.header()}`, 'x-csrf-token': 'planted' } });
  await assert.rejects(server.getSession(both), { code: 'csrf_failed' });
  const empty = new Request(house.url, { method: 'POST', headers: { cookie: jar.header().replace(token, ''), 'x-csrf-token': '' } });
  await assert.rejects(server.getSession(empty), { code: 'csrf_failed' });
  jar.cookies.set('vestibule_csrf', { value: 'planted' });
  await assert.rejects(server.getSession(request({ method: 'POST', headers: { 'x-csrf-token': 'planted' } })), { code: 'csrf_failed' });
});

test('another program shows an access token in a header, and is judged by it alone', async () => {
  const token = jar.cookies.get('vestibule_access').value;
  const call = (authorization) => new Request(house.url, { method: 'POST', headers: { authorization } });
  assert.equal((await server.getSession(call(`Bearer ${token}`))).user.email, email());
  assert.equal(await server.getSession(request({ headers: { authorization: 'Bearer wrong' } })), null);
});

test('the parts of a page that ask at once refresh once, and the browser gets the new cookies', async () => {
  expireAccess();
  const source = headers();
  const parts = await Promise.all(Array.from({ length: 20 }, () => server.getSession(source)));
  assert.ok(parts.every(({ user }) => user.email === email()));
  assert.deepEqual(asked.asked, [REFRESH]);
  // Also the parts that come later, and requests that a page makes beside it.
  await server.getSession(source);
  assert.deepEqual(asked.asked, [REFRESH]);
  const beside = await Promise.all(Array.from({ length: 20 }, () => server.getSession(headers())));
  assert.ok(beside.every(Boolean));
  assert.deepEqual(asked.asked, [REFRESH, REFRESH]);

  assert.equal(parts[0].setCookie.length, 3);
  jar.keep(parts[0].setCookie);
  assert.ok(await browser.session());
  assert.equal(jar.count(REFRESH), 0);
});

test('cookies that never reach the browser log nobody out', async () => {
  for (let page = 0; page < 5; page += 1) {
    expireAccess();
    const { cookie, setCookie } = await server.refreshIfNeeded(headers());
    assert.equal(setCookie.length, 3);
    // The page asks while it is rendered, and the answer is lost.
    assert.ok(await server.getSession(new Headers({ cookie })));
    if (page === 0) await settle(11_000);
  }
  assert.ok(await browser.session(), 'beyond the ten seconds for which a stale secret is honoured');
});

test('an old request is refused and ends nothing', async () => {
  const old = headers();
  await browser.refresh();
  assert.ok(await browser.session());
  await settle(11_000);
  assert.equal(await server.getSession(old), null);
  assert.ok(await browser.session());
  assert.equal(asked.count(REFRESH), 0);
});

test('an access token whose key was thrown away is refreshed', async () => {
  jar.cookies.get('vestibule_access').value = jar.cookies.get('vestibule_access').value.replace(/\.[^.]*$/, `.${'A'.repeat(86)}`);
  assert.ok(await server.getSession(headers()));
  assert.equal(asked.count(REFRESH), 1);
});

test('a proxy refreshes before a page is rendered, and leaves alone what needs no refresh', async () => {
  const still = await server.refreshIfNeeded(request());
  assert.deepEqual(still, { isLoggedOut: false, cookie: headers().get('cookie'), setCookie: [] });
  assert.deepEqual(asked.asked, ['/.well-known/jwks.json']);
  expireAccess();
  const all = await Promise.all(Array.from({ length: 8 }, () => server.refreshIfNeeded(request())));
  assert.equal(asked.asked.filter((path) => path === REFRESH).length, 1);
  assert.ok(all[0].cookie.startsWith('theme=dark; '));
  const sent = jar.cookies.get('vestibule_refresh').value;
  assert.ok(all[0].cookie.includes(sent), 'what is rendered shows no secret that the browser may never get');
  jar.keep(all[0].setCookie);
  assert.notEqual(jar.cookies.get('vestibule_refresh').value, sent);
  assert.ok(await browser.session());
});

test('a proxy says that nobody is logged in only where that is sure', async () => {
  assert.equal((await server.refreshIfNeeded('theme=dark')).isLoggedOut, true);
  const away = createServerClient({ publicUrl: house.url, url: 'http://127.0.0.1:9' });
  expireAccess();
  assert.equal((await away.refreshIfNeeded(headers())).isLoggedOut, false);
  await assert.rejects(away.getSession(headers()), { code: 'unreachable' });
  await house.command('session', 'revoke', email(), '--yes');
  const over = await server.refreshIfNeeded(headers());
  assert.equal(over.isLoggedOut, true);
  assert.ok(over.setCookie.every((cookie) => cookie.includes('Max-Age=0')));
  assert.equal(await server.getSession(headers()), null);
});

test('on https the cookies with the prefix are ours, and bare ones are not', async () => {
  const seen = [];
  const secure = createServerClient({ publicUrl: 'https://example.test', fetch: async (url, { headers }) => { seen.push(headers.cookie); return new Response('{}', { status: 401 }); } });
  assert.equal(await secure.getSession('vestibule_refresh=planted; vestibule_access=planted'), null);
  assert.deepEqual(seen, []);
  await secure.getSession('vestibule_refresh=planted; __Host-vestibule_refresh=own; __Host-vestibule_csrf=own');
  assert.deepEqual(seen, ['__Host-vestibule_refresh=own; __Host-vestibule_csrf=own']);
});
