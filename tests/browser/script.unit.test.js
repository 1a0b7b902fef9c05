// The client of the script by itself, in a browser that is only claimed.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, test } from 'node:test';

const SOURCE = readFileSync(new URL('../../crates/vestibule-web/assets/vestibule.js', import.meta.url), 'utf8');
const before = new Map(['document', 'location', 'addEventListener', 'BroadcastChannel', 'fetch'].map((name) => [name, globalThis[name]]));
let loaded = 0;

/** Loads the module on a page with an address, cookies, and answers of the server. */
async function load(address, cookie, answer) {
  delete globalThis[Symbol.for('vestibule.client')];
  const asked = [];
  globalThis.location = new URL(address);
  globalThis.document = { cookie, querySelector: () => null, querySelectorAll: () => [], getElementById: () => null };
  globalThis.addEventListener = () => {};
  globalThis.BroadcastChannel = class { addEventListener() {} postMessage() {} };
  globalThis.fetch = async (input, options) => {
    asked.push({ input, options });
    return answer(asked.length);
  };
  loaded += 1;
  const client = await import(`data:text/javascript,${encodeURIComponent(`${SOURCE}\n// ${loaded}`)}`);
  return { ...client, asked };
}

afterEach(() => before.forEach((value, name) => { globalThis[name] = value; }));

test('on https a planted bare cookie is not the CSRF token, wherever it stands', async () => {
  const planted = 'vestibule_csrf=planted';
  const own = '__Host-vestibule_csrf=own=';
  for (const cookie of [`${planted}; ${own}`, `${own}; ${planted}`]) {
    assert.equal((await load('https://example.test/', cookie)).csrfToken(), 'own=');
  }
  assert.equal((await load('https://example.test/', planted)).csrfToken(), '');
});

test('on http the bare cookie is the CSRF token', async () => {
  assert.equal((await load('http://localhost/', 'a=b; vestibule_csrf=own')).csrfToken(), 'own');
  assert.equal((await load('http://localhost/', '__Host-vestibule_csrf=planted')).csrfToken(), '');
});

test('a session that is over is told once, and one that another tab has begun meanwhile is left alone', async () => {
  for (const code of ['session_expired', 'session_revoked', 'refresh_reused', 'csrf_failed', 'unauthenticated']) {
    const refused = () => Response.json({ code }, { status: 401 });
    const { refresh, onChange } = await load('http://localhost/', 'vestibule_csrf=one', refused);
    const told = [];
    onChange((change) => told.push(change));
    assert.equal(await refresh(), false);
    const isOver = ['session_expired', 'session_revoked', 'refresh_reused'].includes(code);
    assert.deepEqual(told, isOver ? [{ type: 'logged-out', user: '', reason: code }] : [], code);
  }
  const tooLate = () => {
    globalThis.document.cookie = 'vestibule_csrf=two';
    return Response.json({ code: 'session_revoked' }, { status: 401 });
  };
  const { refresh, onChange } = await load('http://localhost/', 'vestibule_csrf=one', tooLate);
  onChange(() => assert.fail('the new session is not over'));
  assert.equal(await refresh(), false);
});

const over = () => Response.json({ code: 'unauthenticated' }, { status: 401 });
const renewed = () => Response.json({ user: { id: 'ann' }, session: { expires_at: '2030-01-01T00:00:00Z' } });
const somebodyElseLogsIn = () => { globalThis.document.cookie = 'vestibule_csrf=two'; };
const address = ({ input }) => new URL(input.url ?? input, 'http://localhost/').pathname;

test('what one person began is not sent again as another, who has logged in meanwhile', async () => {
  for (const [when, answers] of Object.entries({
    'while the call was under way': [() => { somebodyElseLogsIn(); return over(); }, renewed],
    'while the session was refreshed': [over, () => { somebodyElseLogsIn(); return renewed(); }],
  })) {
    const { vestibuleFetch, asked } = await load('http://localhost/', 'vestibule_csrf=one', (count) => answers[count - 1]());
    const answer = await vestibuleFetch('http://localhost/api/notes', { method: 'POST' });
    assert.equal(answer.status, 401, when);
    assert.equal(asked.filter((call) => address(call) === '/api/notes').length, 1, when);
  }
});

test('who is still there is answered after a refresh, with the token that the call began with', async () => {
  const answers = [over, renewed, () => new Response('here')];
  const { vestibuleFetch, asked } = await load('http://localhost/', 'vestibule_csrf=one', (count) => answers[count - 1]());
  const answer = await vestibuleFetch('http://localhost/api/notes', { method: 'POST', body: 'text' });
  assert.equal(await answer.text(), 'here');
  assert.deepEqual(asked.map(address), ['/api/notes', '/api/auth/refresh', '/api/notes']);
  assert.equal(asked[2].input.headers.get('X-CSRF-Token'), 'one');
  assert.equal(await asked[2].input.text(), 'text');
});

test('a listener that fails is no failure of the session', async (t) => {
  const complaints = t.mock.method(console, 'error', () => {});
  const { refresh, onChange } = await load('http://localhost/', 'vestibule_csrf=one', renewed);
  const told = [];
  onChange(() => { throw new Error('a listener'); });
  onChange(({ type }) => told.push(type));
  assert.equal(await refresh(), true);
  assert.deepEqual(told, ['refreshed']);
  assert.equal(complaints.mock.callCount(), 1);
});

test('however many calls find a session over, it is told once, and the end of the next one is told again', async () => {
  const ended = () => Response.json({ code: 'session_revoked' }, { status: 401 });
  const { vestibuleFetch, onChange } = await load('http://localhost/', 'vestibule_csrf=one', ended);
  const told = [];
  onChange(({ type }) => told.push(type));
  const call = () => vestibuleFetch('http://localhost/api/notes');
  await Promise.all([call(), call()]);
  await call();
  assert.deepEqual(told, ['logged-out']);
  somebodyElseLogsIn();
  await call();
  assert.deepEqual(told, ['logged-out', 'logged-out']);
});
