// Tokens that are wrong in one thing alone, and a site that falls silent.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { newKey, openIssuer, signed } from './support/issuer.js';
import { HURRIED, NAMES, prepare, until } from './support/programs.js';

const REFUSED = /^refused: /;
const UNAVAILABLE = /^unavailable: /;
/** The three seconds that an answer may take, and what a busy machine takes to say so, in milliseconds. */
const LIMIT = 5500;

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

const pass = (milliseconds) => new Promise((done) => { setTimeout(done, milliseconds); });

describe('each verifier', { concurrency: true }, () => {
  for (const name of NAMES) {
    /** A site of its own and a verifier of it, for one test. */
    const withIssuer = (made, args, work) => async () => {
      const issuer = await openIssuer();
      const key = newKey();
      issuer.publish(key);
      const program = made().start(name, issuer.url, ...args);
      try {
        await work({ issuer, key, program });
      } finally {
        await program.close();
        await issuer.close();
      }
    };

    test(`${name}: a token that is wrong in one thing is refused`, withIssuer(() => programs, [], async ({ issuer, key, program }) => {
      const now = Math.floor(Date.now() / 1000);
      const taken = {
        'as it should be': {},
        'of a clock that is a little ahead': { claims: { iat: now + 20, exp: now + 320 } },
      };
      for (const [what, changes] of Object.entries(taken)) {
        const { told, complaint } = await program.ask(issuer.token(key, changes));
        assert.equal(told?.iss, issuer.url, `${what}: ${complaint}`);
      }
      const wrong = {
        'another issuer': { claims: { iss: 'https://example.com' } },
        'the issuer with a slash': { claims: { iss: `${issuer.url}/` } },
        'no issuer': { claims: { iss: undefined } },
        'another audience': { claims: { aud: 'https://example.com' } },
        'no audience': { claims: { aud: undefined } },
        'an audience among others': { claims: { aud: [issuer.url, 'https://example.com'] } },
        'over since a second': { claims: { iat: now - 301, exp: now - 1 } },
        'over now': { claims: { exp: now } },
        'without an end': { claims: { exp: undefined } },
        'an end that is a text': { claims: { exp: `${now + 300}` } },
        'issued in the future': { claims: { iat: now + 90, exp: now + 390 } },
        'issued nobody knows when': { claims: { iat: undefined } },
        'of nobody': { claims: { sub: undefined } },
        'of no session': { claims: { sid: undefined } },
        'an ID token': { header: { typ: 'JWT' } },
        'no type': { header: { typ: undefined } },
        'another algorithm': { header: { alg: 'ES256' } },
        'no name of a key': { header: { kid: undefined } },
        'a name that is a number': { header: { kid: 7 } },
        'what must be understood and is not': { header: { crit: ['b64'], b64: false } },
      };
      for (const [what, changes] of Object.entries(wrong)) {
        const { complaint } = await program.ask(issuer.token(key, changes));
        assert.match(complaint ?? 'taken', REFUSED, what);
      }
      for (const claims of ['', '[]', 'null', '"text"', '{', '7']) {
        const { complaint } = await program.ask(signed(key, issuer.header(key), claims));
        assert.match(complaint ?? 'taken', REFUSED, `claims ${claims}`);
      }
      assert.equal(issuer.fetches(), 1);
    }));

    test(`${name}: strangers cannot make it fetch`, withIssuer(() => programs, [], async ({ issuer, key, program }) => {
      for (let stranger = 0; stranger < 30; stranger += 1) {
        assert.match((await program.ask(issuer.token(newKey()))).complaint, REFUSED);
      }
      assert.equal(issuer.fetches(), 1);
      assert.ok((await program.ask(issuer.token(key))).told);
    }));

    test(`${name}: a site that cannot be asked lets nobody in, and is not asked again and again`, withIssuer(() => programs, [], async ({ issuer, key, program }) => {
      issuer.fallSilent(true);
      for (let tries = 0; tries < 10; tries += 1) {
        assert.match((await program.ask(issuer.token(key))).complaint ?? 'taken', UNAVAILABLE);
      }
      assert.equal(issuer.fetches(), 1);
    }));

    test(`${name}: an answer that comes piece by piece is not waited for for long`, withIssuer(() => programs, [], async ({ issuer, key, program }) => {
      issuer.slowDown(true);
      const asked = Date.now();
      assert.match((await program.ask(issuer.token(key))).complaint ?? 'taken', UNAVAILABLE);
      assert.ok(Date.now() - asked < LIMIT, `${Date.now() - asked} ms`);
    }));

    test(`${name}: nor is a session`, withIssuer(() => programs, ['session'], async ({ issuer, program }) => {
      issuer.slowDown(true);
      const asked = Date.now();
      assert.match((await program.ask('abc')).complaint ?? 'taken', UNAVAILABLE);
      assert.ok(Date.now() - asked < LIMIT, `${Date.now() - asked} ms`);
    }));

    test(`${name}: who has a key that is known does not wait for new ones`, withIssuer(() => hurried, [], async ({ issuer, key, program }) => {
      assert.ok((await program.ask(issuer.token(key))).told);
      issuer.slowDown(true);
      await pass(HURRIED.fresh * 1000 + 200);
      const asked = Date.now();
      assert.ok((await program.ask(issuer.token(key))).told);
      // PHP has nobody else who could fetch. It waits once in a pause, and not for long.
      assert.ok(Date.now() - asked < (name === 'php' ? LIMIT : 1000), `${Date.now() - asked} ms`);
      await until('it does not fetch', () => issuer.fetches(), (fetches) => fetches === 2);
    }));

    test(`${name}: keys that cannot be fetched anew are good for a while longer`, withIssuer(() => hurried, [], async ({ issuer, key, program }) => {
      assert.ok((await program.ask(issuer.token(key))).told);
      const fetched = Date.now();
      issuer.fallSilent(true);
      let answers = 0;
      while (Date.now() - fetched < (HURRIED.kept - 3) * 1000) {
        const { told, complaint } = await program.ask(issuer.token(key));
        assert.ok(told, complaint);
        answers += 1;
        await pass(50);
      }
      assert.ok(answers > 10 && issuer.fetches() > 1, `${issuer.fetches()} fetches, ${answers} answers`);
      const gone = ({ complaint }) => UNAVAILABLE.test(complaint);
      await until('it takes old keys', () => program.ask(issuer.token(key)), gone);
      issuer.fallSilent(false);
      await until('it does not come back', () => program.ask(issuer.token(key)), ({ told }) => told);
      const seconds = (Date.now() - fetched) / 1000;
      assert.ok(issuer.fetches() <= 2 + seconds / HURRIED.pause, `${issuer.fetches()} fetches in ${seconds} s`);
    }));

    test(`${name}: a key that the site has thrown away is thrown away`, withIssuer(() => hurried, [], async ({ issuer, key, program }) => {
      assert.ok((await program.ask(issuer.token(key))).told);
      const next = newKey();
      issuer.publish(next);
      await until('it takes the old key', () => program.ask(issuer.token(key)), ({ complaint }) => REFUSED.test(complaint));
      assert.ok((await program.ask(issuer.token(next))).told);
    }));

    for (const what of ['session', 'cookies']) {
      test(`${name}: no ${what} is told to another place`, withIssuer(() => programs, [what], async ({ issuer, program }) => {
        assert.match((await program.ask('abc')).complaint ?? 'taken', UNAVAILABLE);
        assert.equal(issuer.fetches(), 0);
      }));
    }
  }
});

test('php: a process that waits for the keys of another one does not wait for long', async () => {
  const issuer = await openIssuer();
  issuer.slowDown(true);
  const file = join(programs.root, 'slow-keys.json');
  const started = [1, 2, 3].map(() => programs.start('php', issuer.url, 'token', file));
  try {
    const asked = Date.now();
    const answers = await Promise.all(started.map((program) => program.ask(issuer.token(newKey()))));
    assert.ok(answers.every(({ complaint }) => UNAVAILABLE.test(complaint)), JSON.stringify(answers));
    assert.ok(Date.now() - asked < 2 * LIMIT, `${Date.now() - asked} ms`);
  } finally {
    await Promise.all(started.map((program) => program.close()));
    await issuer.close();
  }
});

test('php: processes share one copy of the keys', async () => {
  const issuer = await openIssuer();
  const key = newKey();
  issuer.publish(key);
  const file = join(programs.root, 'keys.json');
  const ask = async (token) => {
    const program = programs.start('php', issuer.url, 'token', file);
    try {
      return await program.ask(token);
    } finally {
      await program.close();
    }
  };
  try {
    const good = await Promise.all(Array.from({ length: 4 }, () => ask(issuer.token(key))));
    assert.ok(good.every(({ told }) => told), JSON.stringify(good));
    assert.match((await ask(issuer.token(newKey()))).complaint, REFUSED);
    assert.equal(issuer.fetches(), 1);
    assert.ok(existsSync(file) && !readFileSync(file, 'utf8').includes('PRIVATE'));
  } finally {
    await issuer.close();
  }
});
