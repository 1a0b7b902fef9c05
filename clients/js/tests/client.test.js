// The client of browsers against the real server, with a jar of cookies in place of a browser. What needs tabs is in
// `tabs.test.js`.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { createClient, VestibuleError } from '../src/index.js';
import { NO_LIMITS, openHouse, PASSWORD } from '../../../tests/support/house.js';
import { openJar } from './support/jar.js';

const REFRESH = '/api/auth/refresh';
let house;
let jar;
let client;
let told;
before(async () => { house = await openHouse(NO_LIMITS); });
after(() => house?.close());
beforeEach(() => {
  jar = openJar();
  globalThis.document = { get cookie() { return jar.readable(); } };
  client = createClient({ baseUrl: house.url, fetch: jar.fetch });
  // The clients of earlier tests hear this one too, as other tabs.
  const heard = [];
  told = heard;
  client.onChange(({ type, user, reason }) => heard.push([type, user, reason]));
});

const person = (name) => ({ name, email: `${name}@example.com`, password: PASSWORD });
const expireAccess = () => jar.cookies.delete('vestibule_access');

test('somebody signs up, is known, logs out, and logs in again', async () => {
  const { user, session } = await client.signUp(person('ann'));
  assert.equal(user.email, 'ann@example.com');
  assert.equal(session.current, true);
  assert.equal((await client.session()).user.id, user.id);
  await client.logOut();
  assert.equal(await client.session(), null);
  const again = await client.logIn(person('ann'));
  assert.equal(again.user.id, user.id);
  assert.deepEqual(told, [['logged-in', user.id, undefined], ['logged-out', '', undefined], ['logged-in', user.id, undefined]]);
});

test('an error has the words of the server', async () => {
  const error = await client.signUp({ name: 'Bo', email: 'nobody', password: 'short' }).catch((error) => error);
  assert.ok(error instanceof VestibuleError);
  assert.equal(error.code, 'invalid_input');
  assert.equal(error.status, 422);
  assert.ok(error.message.length > 10);
  assert.deepEqual(Object.keys(error.fields).sort(), ['email', 'password']);
  assert.ok(error.fields.email.message);
  assert.ok(error.requestId);
  await client.signUp(person('bo'));
  const taken = await client.signUp(person('bo')).catch((error) => error);
  assert.deepEqual([taken.code, taken.status, taken.fields.email.code], ['email_taken', 409, 'email_taken']);
  const before = jar.asked.length;
  const wrong = await client.logIn({ email: 'bo@example.com', password: 'wrong window thursday' }).catch((error) => error);
  assert.equal(wrong.code, 'invalid_credentials');
  assert.equal(jar.asked.length - before, 1, 'a wrong password is no reason to refresh');
});

test('what the server asks to wait for is told', async () => {
  const busy = await openHouse({ VESTIBULE_RATE_LIMIT: 'on' });
  const stranger = createClient({ baseUrl: busy.url, fetch: jar.fetch });
  let error;
  for (let tries = 0; tries < 100 && error?.code !== 'too_many_requests'; tries += 1) {
    error = await stranger.logIn({ email: 'ann@example.com', password: 'wrong window thursday' }).catch((error) => error);
  }
  assert.equal(error.status, 429);
  assert.ok(error.retryAfter > 0);
  assert.ok(error.isTemporary);
  await busy.close();
});

test('a change carries the CSRF token, and is refused without', async () => {
  await client.signUp(person('cleo'));
  const change = { method: 'PATCH', headers: { 'Content-Type': 'application/json' }, body: '{"name":"Cleo Lee"}' };
  assert.equal((await client.fetch('/api/account', change)).status, 200);
  assert.equal((await jar.fetch(`${house.url}/api/account`, change)).status, 403);
  expireAccess();
  assert.equal((await client.fetch('/api/account', change)).status, 200, 'also when it is sent again after a refresh');
  await assert.rejects(client.fetch('https://example.com/', change), TypeError);
});

test('twenty calls that find the access token over make one refresh, and each is answered', async () => {
  await client.signUp(person('dan'));
  for (let round = 1; round <= 3; round += 1) {
    expireAccess();
    const answers = await Promise.all(Array.from({ length: 20 }, () => client.fetch('/api/account')));
    assert.deepEqual(answers.map(({ status }) => status), Array(20).fill(200));
    assert.equal(jar.count(REFRESH), round);
  }
  assert.ok(await client.session());
  assert.equal(told.filter(([type]) => type === 'refreshed').length, 3);
});

test('a session that was ended is told once, and asks no more', async () => {
  const { user } = await client.signUp(person('eve'));
  await house.command('session', 'revoke', user.email, '--yes');
  const answers = await Promise.all(Array.from({ length: 20 }, () => client.fetch('/api/account')));
  assert.deepEqual(answers.map(({ status }) => status), Array(20).fill(401));
  assert.deepEqual(told.slice(1), [['logged-out', '', 'session_revoked']]);
  assert.equal(await client.session(), null);
  assert.equal(jar.count(REFRESH), 0);
});

test('a listener that fails is no failure of the session', async (t) => {
  const reported = t.mock.method(console, 'error', () => {});
  const stop = client.onChange(() => { throw new Error('of the application'); });
  await client.signUp(person('fay'));
  expireAccess();
  assert.equal((await client.fetch('/api/account')).status, 200);
  assert.equal(reported.mock.callCount(), 2);
  stop();
});

test('a refresh that is refused is not repeated in a storm', async () => {
  await client.signUp(person('finn'));
  expireAccess();
  jar.cookies.delete('vestibule_refresh');
  for (let round = 0; round < 5; round += 1) assert.equal(await client.session(), null);
  assert.equal(jar.count(REFRESH), 1);
});

test('a server that is away logs nobody out', async () => {
  await client.signUp(person('gus'));
  let isAway = true;
  const shaky = createClient({
    baseUrl: house.url,
    fetch: (...call) => (isAway && `${call[0].url ?? call[0]}`.endsWith(REFRESH) ? Promise.reject(new TypeError('away')) : jar.fetch(...call)),
  });
  expireAccess();
  const error = await shaky.session().catch((error) => error);
  assert.deepEqual([error.code, error.status], ['unreachable', 0]);
  isAway = false;
  await new Promise((done) => setTimeout(done, 1100));
  assert.equal((await shaky.session()).user.name, 'gus');
});

test('what one person began is not sent again as another', async () => {
  await client.signUp(person('hal'));
  await client.logOut();
  await client.signUp(person('ida'));
  expireAccess();
  let isSwapped = false;
  const swapping = createClient({
    baseUrl: house.url,
    async fetch(...call) {
      const answer = await jar.fetch(...call);
      if (!isSwapped && answer.status === 401) {
        isSwapped = true;
        await client.logIn(person('hal'));
      }
      return answer;
    },
  });
  const change = { method: 'PATCH', headers: { 'Content-Type': 'application/json' }, body: '{"name":"Ida Lee"}' };
  assert.equal((await swapping.fetch('/api/account', change)).status, 401);
  assert.equal((await client.session()).user.name, 'hal');
});

test('a call that its caller ends is no word about the server', async () => {
  await assert.rejects(client.fetch('/api/account', { signal: AbortSignal.abort() }), { name: 'AbortError' });
});

test('on https a planted bare cookie is not the CSRF token', async () => {
  let sent;
  globalThis.document = { cookie: 'vestibule_csrf=planted; __Host-vestibule_csrf=own=' };
  const secure = createClient({ baseUrl: 'https://example.test', fetch: async (request) => { sent = request.headers.get('X-CSRF-Token'); return new Response(); } });
  await secure.fetch('/anything', { method: 'POST' });
  assert.equal(sent, 'own=');
});

test('where the address is confirmed first a sign-up logs nobody in', async () => {
  const first = await openHouse({ ...NO_LIMITS, VESTIBULE_SIGN_UP: 'confirm_first' });
  assert.equal(await createClient({ baseUrl: first.url, fetch: jar.fetch }).signUp(person('joe')), null);
  await first.close();
});

test('it may be made where there is no page, and a listener can leave', () => {
  delete globalThis.document;
  const stop = createClient().onChange(() => {});
  assert.equal(stop(), true);
});
