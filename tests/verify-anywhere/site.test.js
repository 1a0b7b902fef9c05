// What the real site signs, shown to each verifier, and what others make of it.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { NO_LIMITS, openHouse, PASSWORD } from '../support/house.js';
import { base64, newKey, signed } from './support/issuer.js';
import { HURRIED, NAMES, prepare, secondsOf, until } from './support/programs.js';

const EMAIL = 'ann@example.com';
const REFUSED = /^refused: /;

let programs;
let hurried;
before(() => {
  programs = prepare();
  hurried = prepare({ isHurried: true });
});
after(() => {
  programs?.remove();
  hurried?.remove();
});

/** Sends a body to the API. Gives the cookies by their names, and all of them as a browser sends them. */
async function post(house, path, body, headers = {}) {
  const answer = await fetch(house.url + path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: body && JSON.stringify(body),
  });
  assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
  const set = answer.headers.getSetCookie().map((cookie) => cookie.split(';')[0]);
  const cookies = Object.fromEntries(set.map((cookie) => cookie.split('=')));
  return { token: cookies.vestibule_access, csrf: cookies.vestibule_csrf, cookies: set.join('; '), body: await answer.text() };
}

const open = (settings = {}) => openHouse({ ...NO_LIMITS, ...settings });
const signUp = (house) => post(house, '/api/auth/sign-up', { name: 'Ann', email: EMAIL, password: PASSWORD });
const logIn = (house) => post(house, '/api/auth/log-in', { email: EMAIL, password: PASSWORD });

/** Shows the same to all verifiers at once. */
async function withAll(made, args, work) {
  await Promise.all(
    NAMES.map(async (name) => {
      const program = made.start(name, ...args);
      try {
        await work(program, name);
      } finally {
        await program.close();
      }
    }),
  );
}

/** The same with a service key, in several steps. */
async function withFollowers(key, url, ...steps) {
  const started = NAMES.map((name) => ({ name, program: hurried.startWith({ VESTIBULE_SERVICE_KEY: key }, name, url) }));
  try {
    for (const step of steps) {
      if (step.length === 0) await step();
      else await Promise.all(started.map(({ name, program }) => step(program, name)));
    }
  } finally {
    await Promise.all(started.map(({ program }) => program.close()));
  }
}

function parse(token) {
  const [header, claims, signature] = token.split('.');
  const read = (text) => JSON.parse(Buffer.from(text, 'base64url'));
  return { header: read(header), claims: read(claims), parts: [header, claims, signature] };
}

describe('a site', () => {
  let house;
  let ann;
  let jwk;
  before(async () => {
    house = await open();
    await signUp(house);
    // One in fifteen signatures is the same in both kinds of base64.
    do {
      ann = await logIn(house);
    } while (!/[-_]/.test(parse(ann.token).parts[2]));
    ({ keys: [jwk] } = await (await fetch(`${house.url}/.well-known/jwks.json`)).json());
  });
  after(() => house?.close());

  for (const name of NAMES) {
    test(`${name}: a good token is taken, and its claims are told`, () => {
      const { user } = JSON.parse(ann.body);
      const ran = programs.run(name, [house.url], ann.token);
      assert.deepEqual([ran.status, ran.stderr], [0, '']);
      const claims = JSON.parse(ran.stdout);
      assert.deepEqual(claims, parse(ann.token).claims);
      assert.deepEqual([claims.sub, claims.iss, claims.aud], [user.id, house.url, house.url]);
      assert.deepEqual(Object.keys(claims).sort(), ['aud', 'exp', 'iat', 'iss', 'jti', 'sid', 'sub']);
    });

    test(`${name}: the end of the program says whether all was good`, () => {
      for (const input of ['', '\n', 'garbage', `${ann.token}\ngarbage\n`]) {
        const ran = programs.run(name, [house.url], input);
        assert.equal(ran.status, 1, JSON.stringify(input));
        const lines = ran.stderr.split('\n').slice(0, -1);
        assert.ok(lines.length <= 1 && lines.every((line) => REFUSED.test(line.toLowerCase())), ran.stderr);
      }
      assert.equal(programs.run(name, [house.url, 'nonsense'], ann.token).status, 1);
    });

    test(`${name}: the copy of the keys is kept for as long as the site says`, async () => {
      const answer = await fetch(`${house.url}/.well-known/jwks.json`);
      const says = (what) => Number(answer.headers.get('cache-control').match(`${what}=(\\d+)`)[1]);
      const fresh = says('max-age');
      assert.deepEqual(secondsOf(name), { fresh, kept: fresh + says('stale-if-error'), pause: 10, revoked: 10 });
    });
  }

  test('what others make of a good token is refused', async () => {
    const { header, claims, parts: [head, payload, signature] } = parse(ann.token);
    const other = newKey(jwk.kid);
    const changed = base64(JSON.stringify({ ...claims, sub: '00000000-0000-7000-8000-000000000000' }));
    const hmac = (header, secret) => {
      const text = `${base64(JSON.stringify(header))}.${payload}`;
      return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
    };
    const none = (alg) => base64(JSON.stringify({ ...header, alg }));
    const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.from(jwk.x, 'base64url')]);
    const pem = `-----BEGIN PUBLIC KEY-----\n${der.toString('base64')}\n-----END PUBLIC KEY-----\n`;
    const flipped = Buffer.from(signature, 'base64url');
    flipped[0] ^= 1;
    const forged = {
      'alg none, unsigned': `${none('none')}.${payload}.`,
      'alg None, with the signature': `${none('None')}.${payload}.${signature}`,
      'no alg': `${base64(JSON.stringify({ kid: header.kid, typ: header.typ }))}.${payload}.${signature}`,
      'HS256 with the bytes of the public key': hmac({ ...header, alg: 'HS256' }, Buffer.from(jwk.x, 'base64url')),
      'HS256 with the text of the public key': hmac({ ...header, alg: 'HS256' }, jwk.x),
      'HS256 with the public key as PEM': hmac({ ...header, alg: 'HS256' }, pem),
      'HS256 with the public key as DER': hmac({ ...header, alg: 'HS256' }, der),
      'an HMAC that says EdDSA': hmac(header, Buffer.from(jwk.x, 'base64url')),
      'another key of the same name': signed(other, header, claims),
      'another key that it brings along': signed(other, { ...header, jwk: { ...jwk, x: other.x } }, claims),
      'a key that nobody has': signed(other, { ...header, kid: 'nobody' }, claims),
      'another payload': `${head}.${changed}.${signature}`,
      'another signature': `${head}.${payload}.${flipped.toString('base64url')}`,
      'no signature': `${head}.${payload}.`,
      'half a signature': ann.token.slice(0, -43),
      'two parts': `${head}.${payload}`,
      'four parts': `${ann.token}.${signature}`,
      'the characters of plain base64': `${head}.${payload}.${signature.replaceAll('-', '+').replaceAll('_', '/')}`,
      'padding': `${ann.token}==`,
      'plain base64': `${head}.${payload}.${Buffer.from(signature, 'base64url').toString('base64')}`,
      'nothing': '',
      'dots': '..',
      'garbage': 'garbage',
      'a page': '<!doctype html>',
      'other letters': 'é.ü.ß',
      'deep nesting': `${base64('['.repeat(1480))}.e30.`,
      'a long one': `${ann.token}${'A'.repeat(4000)}`,
      'a session secret': 'vestibule_refresh=0123456789',
    };
    await withAll(programs, [house.url], async (program, name) => {
      for (const [what, token] of Object.entries(forged)) {
        const answer = await program.ask(token);
        assert.match(answer.complaint ?? 'taken', REFUSED, `${name}, ${what}`);
      }
      assert.equal((await program.ask(ann.token)).told?.sub, claims.sub, name);
    });
  });

  test('a token of another public URL is refused', async () => {
    const elsewhere = house.url.replace('localhost', '127.0.0.1');
    await withAll(programs, [elsewhere], async (program, name) => {
      assert.match((await program.ask(ann.token)).complaint ?? 'taken', REFUSED, name);
    });
  });

  test('after a log-out the token still verifies, and the site refuses it when it is asked', async () => {
    const leaving = await logIn(house);
    const checks = { token: leaving.token, session: leaving.token, cookies: leaving.cookies };
    const started = NAMES.flatMap((name) =>
      Object.entries(checks).map(([what, line]) => ({ name, what, line, program: programs.start(name, house.url, what) })),
    );
    try {
      await Promise.all(started.map(async ({ name, what, line, program }) => {
        const { told, complaint } = await program.ask(line);
        assert.ok(told, `${name}, ${what}: ${complaint}`);
        const user = what === 'token' ? told.sub : told.user.id;
        assert.equal(user, JSON.parse(leaving.body).user.id);
      }));
      await post(house, '/api/auth/log-out', undefined, { Cookie: leaving.cookies, 'X-CSRF-Token': leaving.csrf });
      await Promise.all(started.map(async ({ name, what, line, program }) => {
        const { told, complaint } = await program.ask(line);
        if (what === 'token') assert.ok(told, `${name}: ${complaint}`);
        else assert.match(complaint ?? 'taken', REFUSED, `${name}, ${what}`);
      }));
    } finally {
      await Promise.all(started.map(({ program }) => program.close()));
    }
  });

  test('with a service key a log-out is seen within the bound', async () => {
    const { stdout } = await house.command('service-key', 'add', 'wiki', '--scope', 'revocations:read');
    const [leaving, staying] = [await logIn(house), await logIn(house)];
    await withFollowers(stdout.trim(), house.url, async (program, name) => {
      for (const { token } of [leaving, staying]) {
        const { told, complaint } = await program.ask(token);
        assert.ok(told, `${name}: ${complaint}`);
      }
    }, async () => {
      await post(house, '/api/auth/log-out', undefined, { Cookie: leaving.cookies, 'X-CSRF-Token': leaving.csrf });
    }, async (program, name) => {
      const { complaint } = await until(`${name} takes a token that is over`, () => program.ask(leaving.token), (answer) => answer.complaint, HURRIED.revoked * 1000 + 500);
      assert.match(complaint, REFUSED, name);
      const { told, complaint: other } = await program.ask(staying.token);
      assert.ok(told, `${name}: ${other}`);
    });
  });

  test('with a service key that is not good nobody is let in', async () => {
    await withFollowers('vestibule_sk_nonsense', house.url, async (program, name) => {
      assert.match((await program.ask(ann.token)).complaint ?? 'taken', /^unavailable: /, name);
    });
  });

  test('what is no header is refused without asking', async () => {
    for (const what of ['session', 'cookies']) {
      await withAll(programs, [house.url, what], async (program, name) => {
        for (const line of ['', 'a\u0001b', 'ü']) {
          assert.match((await program.ask(line)).complaint ?? 'taken', REFUSED, `${name}, ${what}: ${line}`);
        }
      });
    }
  });
});

test('an expired token is refused', async () => {
  const house = await open({ VESTIBULE_ACCESS_TTL: '1s' });
  try {
    await signUp(house);
    await withAll(programs, [house.url], async (program, name) => {
      // It starts before there is a token, which does not live for long.
      await program.ask('garbage');
      const { token } = await until(`${name} takes no token`, async () => {
        const { token } = await logIn(house);
        return { token, ...(await program.ask(token)) };
      }, ({ told }) => told);
      const { complaint } = await until(`${name} does not refuse`, () => program.ask(token), (answer) => answer.complaint);
      assert.match(complaint, /expired|"exp"/, name);
    });
  } finally {
    await house.close();
  }
});

test('a new key is learnt without a restart, and the tokens of the old one live on', async () => {
  const house = await open();
  try {
    await signUp(house);
    const kidOf = (token) => parse(token).header.kid;
    const old = await logIn(house);
    const started = Object.fromEntries(NAMES.map((name) => [name, hurried.start(name, house.url)]));
    const all = (work) => Promise.all(NAMES.map((name) => work(started[name], name)));
    try {
      await all(async (program, name) => assert.ok((await program.ask(old.token)).told, name));

      await house.command('keys', 'rotate', '--yes');
      // It would sign in a quarter of an hour. The program's clock cannot be moved, so the moment in its database is.
      const moment = new Date(Date.now() - 1000).toISOString().replace('Z', '000Z');
      const sql = `PRAGMA busy_timeout = 5000; UPDATE signing_keys SET activates_at = '${moment}' WHERE activates_at > '${moment}'`;
      await promisify(execFile)('sqlite3', [join(house.folder, 'data/vestibule.db'), sql]);
      await house.stop();
      await house.start();
      const next = await logIn(house);
      assert.notEqual(kidOf(next.token), kidOf(old.token));
      await all(async (program, name) => {
        await until(`${name} does not learn the key`, () => program.ask(next.token), ({ told }) => told);
        assert.ok((await program.ask(old.token)).told, `${name} refuses a token that is still good`);
      });

      // For a key that somebody else may have: what it signed is over as soon as the copies of the keys are.
      await house.command('keys', 'rotate', '--now', '--yes');
      await house.stop();
      await house.start();
      const last = await logIn(house);
      await all(async (program, name) => {
        await until(`${name} does not learn the key`, () => program.ask(last.token), ({ told }) => told);
        for (const { token } of [old, next]) {
          await until(`${name} takes a key that is gone`, () => program.ask(token), ({ complaint }) => REFUSED.test(complaint));
        }
      });
    } finally {
      await all((program) => program.close());
    }
  } finally {
    await house.close();
  }
});
