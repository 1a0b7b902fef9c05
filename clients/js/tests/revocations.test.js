// Tokens of sessions that ended: with a service key they are refused within the seconds that are set.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, test } from 'node:test';
import { createClient } from '../src/index.js';
import { makeFollower } from '../src/revocations.js';
import { createServerClient } from '../src/server.js';
import { NO_LIMITS, openHouse, PASSWORD } from '../../../tests/support/house.js';
import { openJar } from './support/jar.js';

const WITHIN = 2;
let house;
let key;
before(async () => {
  house = await openHouse(NO_LIMITS);
  const { stdout } = await house.command('service-key', 'add', 'wiki', '--scope', 'revocations:read');
  key = stdout.trim();
});
after(() => house?.close());

async function signUp(name) {
  const jar = openJar();
  globalThis.document = { get cookie() { return jar.readable(); } };
  const browser = createClient({ baseUrl: house.url, fetch: jar.fetch });
  await browser.signUp({ name, email: `${name}@example.com`, password: PASSWORD });
  return { browser, token: jar.cookies.get('vestibule_access').value };
}

async function untilRefused(verify, token) {
  const began = performance.now();
  while (await verify(token)) {
    assert.ok(performance.now() - began < WITHIN * 1000 + 500, 'it is refused within the bound');
    await sleep(20);
  }
}

test('a log-out is honoured within the bound, and by the signature alone it is not', async () => {
  const other = await signUp('bo');
  const { browser, token } = await signUp('ann');
  const counted = openJar();
  const { verify } = createServerClient({ publicUrl: house.url, revocations: { key, within: WITHIN }, fetch: counted.fetch });
  const alone = createServerClient({ publicUrl: house.url });
  assert.ok(await verify(token));
  for (let time = 0; time < 50; time += 1) await verify(token);
  assert.equal(counted.count('/api/auth/revocations'), 1, 'it is not asked for each token');
  assert.ok(await verify(other.token));
  await browser.logOut();
  await untilRefused(verify, token);
  assert.ok(await verify(other.token), 'nobody else is refused');
  assert.ok(await alone.verify(token), 'what the feed is for');
});

test('an operator who disables somebody is honoured too', async () => {
  const { token } = await signUp('cid');
  const { verify } = createServerClient({ publicUrl: house.url, revocations: { key, within: WITHIN } });
  assert.ok(await verify(token));
  await house.command('user', 'disable', 'cid@example.com');
  await untilRefused(verify, token);
});

test('with a key that is not good nobody is let in, and it is said why', async () => {
  const { token } = await signUp('dan');
  for (const bad of ['nonsense', `${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`]) {
    const { verify } = createServerClient({ publicUrl: house.url, revocations: { key: bad } });
    await assert.rejects(() => verify(token), { name: 'VestibuleError', status: 401 });
  }
});

/** A feed of our own making. */
function feed(options) {
  const state = { isAway: false, asked: [], pages: [] };
  const isRevoked = makeFollower(async (since) => {
    state.asked.push(since);
    if (state.isAway) throw new Error('away');
    const page = state.pages.shift() ?? {};
    return { revocations: [], keep_for: 450, all_at: null, next: `after-${state.asked.length}`, more: false, reset: false, ...page };
  }, options);
  return { state, isRevoked };
}

const issued = (seconds, sid = 'a') => ({ sid, issuedAt: new Date(seconds * 1000) });
const NOW = Math.floor(Date.now() / 1000);
const at = (seconds) => new Date(seconds * 1000).toISOString();

test('a token is refused that was issued no later than what is told', async () => {
  const { state, isRevoked } = feed();
  state.pages.push({ revocations: [{ sid: 'a', at: at(NOW) }, { sid: 'a', at: at(NOW - 9) }], more: true }, { all_at: at(NOW - 100) });
  assert.equal(await isRevoked(issued(NOW)), true);
  assert.equal(await isRevoked(issued(NOW + 1)), false);
  assert.equal(await isRevoked(issued(NOW - 50, 'b')), false);
  assert.equal(await isRevoked(issued(NOW - 100, 'b')), true, 'all of before');
  assert.deepEqual(state.asked, [null, 'after-1']);
});

test('beyond the bound nobody is let in where the feed is away, unless that is wanted', async () => {
  const closed = feed({ within: 0.2 });
  const open = feed({ within: 0.2, failOpen: true });
  for (const { state, isRevoked } of [closed, open]) {
    assert.equal(await isRevoked(issued(NOW)), false);
    state.isAway = true;
    assert.equal(await isRevoked(issued(NOW)), false, 'what is known is fresh enough');
  }
  await sleep(210);
  await assert.rejects(() => closed.isRevoked(issued(NOW)), /away/);
  assert.equal(await open.isRevoked(issued(NOW)), false);
  const asked = closed.state.asked.length;
  for (let time = 0; time < 20; time += 1) await assert.rejects(() => closed.isRevoked(issued(NOW)), /away/);
  assert.equal(closed.state.asked.length, asked, 'it is not asked again and again');
  closed.state.isAway = false;
  await sleep(1000);
  assert.equal(await closed.isRevoked(issued(NOW)), false);
});

test('where each answer takes longer than the bound it is said why, and nobody is let in', async () => {
  const isRevoked = makeFollower(async () => {
    await sleep(30);
    return { revocations: [], all_at: null, keep_for: 450, next: '1', more: false };
  }, { within: 0.01 });
  for (let time = 0; time < 2; time += 1) {
    await assert.rejects(() => isRevoked({ sid: 's', issuedAt: new Date() }), { name: 'VestibuleError', code: 'unreachable' });
  }
});

test('who was cut off between two pages begins at the last complete time', async () => {
  const { state, isRevoked } = feed({ within: 0.1 });
  await isRevoked(issued(NOW));
  await sleep(110);
  state.pages.push({ more: true, revocations: [{ sid: 'a', at: at(NOW) }] }, { all_at: 'nonsense' });
  await assert.rejects(() => isRevoked(issued(NOW)), /no moment/);
  await sleep(1000);
  await isRevoked(issued(NOW));
  assert.deepEqual(state.asked, [null, 'after-1', 'after-2', 'after-1']);
});
