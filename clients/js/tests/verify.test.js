// Access tokens: those of the real server, and forged ones.

import assert from 'node:assert/strict';
import { after, afterEach, before, mock, test } from 'node:test';
import { createClient } from '../src/index.js';
import { createServerClient } from '../src/server.js';
import { NO_LIMITS, openHouse, PASSWORD } from '../../../tests/support/house.js';
import { openJar } from './support/jar.js';

const JWKS = '/.well-known/jwks.json';
const ISSUER = 'https://example.test';
const encode = (text) => Buffer.from(text).toString('base64url');
let house;
before(async () => { house = await openHouse(NO_LIMITS); });
after(() => house?.close());
afterEach(() => mock.timers.reset());

/** A server of our own making: what it publishes, and tokens with its keys. */
async function forge() {
  const asked = { count: 0, isAway: false };
  const keys = [];
  async function addKey(kid) {
    const { privateKey, publicKey } = await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify']);
    const { x } = await crypto.subtle.exportKey('jwk', publicKey);
    keys.push({ kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', use: 'sig', kid, x });
    return { kid, privateKey, publicKey, x };
  }
  const client = createServerClient({
    publicUrl: ISSUER,
    async fetch() {
      asked.count += 1;
      if (asked.isAway) throw new TypeError('away');
      return Response.json({ keys: [...keys] }, { headers: { 'Cache-Control': 'public, max-age=300, stale-while-revalidate=60, stale-if-error=300' } });
    },
  });
  return { ...client, addKey, keys, asked };
}

function claims(changes) {
  const now = Math.floor(Date.now() / 1000);
  return { iss: ISSUER, aud: ISSUER, sub: '0197c0de-0000-7000-8000-000000000001', sid: 'sid', iat: now, exp: now + 300, jti: 'jti', ...changes };
}

async function sign({ kid, privateKey }, body = claims(), header = { alg: 'EdDSA', kid, typ: 'at+jwt' }) {
  const signed = `${encode(JSON.stringify(header))}.${encode(JSON.stringify(body))}`;
  return `${signed}.${encode(Buffer.from(await crypto.subtle.sign('Ed25519', privateKey, Buffer.from(signed))))}`;
}

test('a token of the server is verified, and one of another site of the same keys is not', async () => {
  const jar = openJar();
  globalThis.document = { get cookie() { return jar.readable(); } };
  const { user } = await createClient({ baseUrl: house.url, fetch: jar.fetch }).signUp({ name: 'Ann', email: 'ann@example.com', password: PASSWORD });
  const token = jar.cookies.get('vestibule_access').value;
  const { verify } = createServerClient({ publicUrl: house.url });
  const who = await verify(token);
  assert.equal(who.userId, user.id);
  assert.ok(who.issuedAt < who.expiresAt && who.expiresAt > new Date());
  assert.equal(await createServerClient({ publicUrl: 'https://example.test', url: house.url }).verify(token), null);
  mock.timers.enable({ apis: ['Date'], now: who.expiresAt });
  assert.equal(await verify(token), null, 'its time is over');
});

test('after a rotation of keys the new one is learnt at once, and the old one is forgotten', async () => {
  const jar = openJar();
  globalThis.document = { get cookie() { return jar.readable(); } };
  const browser = createClient({ baseUrl: house.url, fetch: jar.fetch });
  await browser.signUp({ name: 'Bo', email: 'bo@example.com', password: PASSWORD });
  const counted = openJar();
  const { verify } = createServerClient({ publicUrl: house.url, fetch: counted.fetch });
  const old = jar.cookies.get('vestibule_access').value;
  assert.ok(await verify(old));
  await house.command('keys', 'rotate', '--now', '--yes');
  // A server that goes on learns the new keys within half a minute, one that starts knows them.
  await house.stop();
  await house.start();
  await browser.refresh();
  const next = jar.cookies.get('vestibule_access').value;
  assert.notEqual(next.split('.')[0], old.split('.')[0]);
  assert.ok(await verify(next));
  assert.equal(counted.count(JWKS), 2);
  assert.equal(await verify(old), null);
});

test('forged tokens are refused', async () => {
  const { verify, addKey } = await forge();
  const key = await addKey('one');
  const stranger = await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify']);
  assert.ok(await verify(await sign(key)));

  const body = encode(JSON.stringify(claims()));
  const header = (header) => encode(JSON.stringify(header));
  const hmac = async (secret, header) => {
    const secretKey = await crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
    return `${header}.${body}.${encode(Buffer.from(await crypto.subtle.sign('HMAC', secretKey, Buffer.from(`${header}.${body}`))))}`;
  };
  const raw = Buffer.from(key.x, 'base64url');
  const spki = await crypto.subtle.exportKey('spki', key.publicKey);
  const good = await sign(key);
  const forged = {
    'alg none': `${header({ alg: 'none', kid: 'one', typ: 'at+jwt' })}.${body}.`,
    'alg None with a signature': `${header({ alg: 'None', kid: 'one', typ: 'at+jwt' })}.${good.split('.').slice(1).join('.')}`,
    'no signature': good.slice(0, good.lastIndexOf('.') + 1),
    'HS256 with the public key': await hmac(raw, header({ alg: 'HS256', kid: 'one', typ: 'at+jwt' })),
    'HS256 with the public key as SPKI': await hmac(spki, header({ alg: 'HS256', kid: 'one', typ: 'at+jwt' })),
    'an HMAC under our header': await hmac(raw, header({ alg: 'EdDSA', kid: 'one', typ: 'at+jwt' })),
    'another key': await sign({ kid: 'one', privateKey: stranger.privateKey }),
    'a key that it brings': await sign({ kid: 'one', privateKey: stranger.privateKey }, claims(), { alg: 'EdDSA', kid: 'one', typ: 'at+jwt', jwk: await crypto.subtle.exportKey('jwk', stranger.publicKey) }),
    'another type': await sign(key, claims(), { alg: 'EdDSA', kid: 'one', typ: 'JWT' }),
    'no type': await sign(key, claims(), { alg: 'EdDSA', kid: 'one' }),
    'crit': await sign(key, claims(), { alg: 'EdDSA', kid: 'one', typ: 'at+jwt', crit: ['exp'] }),
    'another issuer': await sign(key, claims({ iss: 'https://evil.test' })),
    'another audience': await sign(key, claims({ aud: 'https://evil.test' })),
    'a list of audiences': await sign(key, claims({ aud: [ISSUER] })),
    'no audience': await sign(key, claims({ aud: undefined })),
    'expired': await sign(key, claims({ exp: Math.floor(Date.now() / 1000) })),
    'no expiry': await sign(key, claims({ exp: undefined })),
    'an expiry that is a text': await sign(key, claims({ exp: '99999999999' })),
    'from the future': await sign(key, claims({ iat: Math.floor(Date.now() / 1000) + 60 })),
    'nobody': await sign(key, claims({ sub: undefined })),
    'claims that are no object': await sign(key, null),
    'other claims under its signature': `${good.split('.')[0]}.${encode(JSON.stringify(claims({ sub: 'admin' })))}.${good.split('.')[2]}`,
    'a part too many': `${good}.x`,
    'too long': `${good}${'A'.repeat(3000)}`,
    'nothing': '',
    'no text': undefined,
  };
  for (const [what, token] of Object.entries(forged)) assert.equal(await verify(token), null, what);
});

test('keys are fetched once and kept, and strangers cannot have them fetched', async () => {
  const { verify, addKey, keys, asked } = await forge();
  const key = await addKey('one');
  const now = Date.now();
  mock.timers.enable({ apis: ['Date'], now });
  const good = await sign(key);
  const all = await Promise.all(Array.from({ length: 20 }, () => verify(good)));
  assert.ok(all.every(Boolean));
  assert.equal(asked.count, 1);

  for (let made = 0; made < 50; made += 1) assert.equal(await verify(await sign({ ...key, kid: `made-up-${made}` })), null);
  assert.equal(asked.count, 2, 'once for the first that nobody knows');
  mock.timers.setTime(now + 11_000);
  const two = await addKey('two');
  assert.ok(await verify(await sign(two)));
  assert.equal(asked.count, 3);

  keys.shift();
  mock.timers.setTime(now + 299_000);
  assert.ok(await verify(good));
  mock.timers.setTime(now + 11_000 + 300_000);
  assert.equal(await verify(await sign(key)), null, 'a key that is published no more');
  assert.equal(asked.count, 4);
});

test('where the keys cannot be fetched the old ones serve for a while, and are not asked for in a storm', async () => {
  const { verify, addKey, asked } = await forge();
  const key = await addKey('one');
  const now = Date.now();
  mock.timers.enable({ apis: ['Date'], now });
  asked.isAway = true;
  for (let tries = 0; tries < 20; tries += 1) await assert.rejects(verify(await sign(key)), { code: 'unreachable' });
  assert.equal(asked.count, 1);
  mock.timers.setTime(now + 10_000);
  asked.isAway = false;
  assert.ok(await verify(await sign(key)));
  asked.isAway = true;
  mock.timers.setTime(now + 10_000 + 599_000);
  for (let tries = 0; tries < 20; tries += 1) assert.ok(await verify(await sign(key)));
  assert.equal(asked.count, 3);
  mock.timers.setTime(now + 10_000 + 600_000);
  await assert.rejects(verify(await sign(key)), { code: 'unreachable' });
});
