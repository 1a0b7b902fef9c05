// A site that takes a question and never answers it, and many callers who would all wait for it.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { prepareCallers } from './support/callers.js';
import { FEED, KEYS, newKey, openIssuer } from './support/issuer.js';
import { HURRIED, NAMES, prepare, until } from './support/programs.js';

const UNAVAILABLE = /^unavailable: /;
/** The three seconds for which an answer is waited for, in milliseconds, and what a busy machine takes to say so. */
const LIMIT = 5500;
/** The second for which keys are waited for where they are known but for one, likewise. */
const MOMENT = 2500;
/** Without waiting for anything, likewise. */
const AT_ONCE = 1000;
const KEY = 'vestibule_sk_of_a_test';

let programs;
let hurried;
before(() => {
  const [asTheyAre, fast] = [prepare(), prepare({ isHurried: true })];
  programs = { ...asTheyAre, callers: prepareCallers(asTheyAre) };
  hurried = { ...fast, callers: prepareCallers(fast) };
});
after(() => {
  programs?.remove();
  hurried?.remove();
});

const pass = (milliseconds) => new Promise((done) => { setTimeout(done, milliseconds); });

/** Holds each answer to a pattern (or to being told), and its time to a limit. PHP's processes have nobody else who could ask: one may wait. */
function assertAnswers(name, answers, pattern, limit) {
  for (const { told, complaint } of answers) {
    if (pattern) assert.match(complaint ?? 'taken', pattern);
    else assert.ok(told, complaint);
  }
  const times = answers.map(({ milliseconds }) => milliseconds).sort((one, other) => one - other);
  if (name === 'php') assert.ok(times.pop() < LIMIT, `the one who asks: ${JSON.stringify(answers)}`);
  assert.ok(times.at(-1) < limit, `${times.join(' ')} ms`);
}

describe('callers of each verifier', { concurrency: true }, () => {
  for (const name of NAMES) {
    /** A site of its own and many callers of a verifier, for one test. */
    const withCallers = (made, serviceKey, work) => async () => {
      const issuer = await openIssuer();
      const key = newKey();
      issuer.publish(key);
      const callers = await made().callers(name, issuer.url, serviceKey);
      try {
        await work({ issuer, key, callers });
      } finally {
        await issuer.close();
        await callers.close();
      }
    };

    test(`${name}: callers do not queue behind a feed that hangs`, withCallers(() => hurried, KEY, async ({ issuer, key, callers }) => {
      assertAnswers(name, await callers.ask(issuer.token(key)), null, LIMIT);
      issuer.hang(FEED);
      await pass(HURRIED.revoked * 1000 + 200);
      for (let round = 1; round <= 3; round += 1) {
        const before = issuer.questions();
        assertAnswers(name, await callers.ask(issuer.token(key)), UNAVAILABLE, LIMIT);
        assert.equal(issuer.questions(), before + 1, 'one asks for all');
        // After one that failed passes a second: whoever comes meanwhile is told at once.
        assertAnswers(name, await callers.ask(issuer.token(key)), UNAVAILABLE, AT_ONCE);
        assert.equal(issuer.questions(), before + 1);
        await pass(1200);
      }
      issuer.goOn();
      await until('they do not come back', () => callers.ask(issuer.token(key)), (answers) => answers.every(({ told }) => told));
    }));

    test(`${name}: callers who know enough do not wait for a feed that hangs`, withCallers(() => programs, KEY, async ({ issuer, key, callers }) => {
      assertAnswers(name, await callers.ask(issuer.token(key)), null, LIMIT);
      issuer.hang(FEED);
      // Half of the bound, of ten seconds, in whole ones.
      await pass(5200);
      assertAnswers(name, await callers.ask(issuer.token(key)), null, AT_ONCE);
      await until('it does not ask', () => issuer.questions(), (questions) => questions === 2);
    }));

    test(`${name}: callers do not wait for all pages of a feed that is slow`, withCallers(() => programs, KEY, async ({ issuer, key, callers }) => {
      issuer.feedOf(10);
      const answers = await callers.ask(issuer.token(key));
      // In PHP one of them asks for all.
      assertAnswers(name, answers.filter(({ told }) => !told), UNAVAILABLE, LIMIT);
      assert.equal(answers.filter(({ told }) => told).length, name === 'php' ? 1 : 0);
      await until('what goes on without them does not end', () => callers.ask(issuer.token(key)), (later) => later.every(({ told }) => told));
    }));

    test(`${name}: callers do not queue behind keys that do not come`, withCallers(() => programs, '', async ({ issuer, key, callers }) => {
      issuer.hang(KEYS);
      for (let round = 0; round < 3; round += 1) {
        assertAnswers(name, await callers.ask(issuer.token(key)), UNAVAILABLE, LIMIT);
      }
      assert.equal(issuer.fetches(), 1);
    }));

    test(`${name}: callers with a key that nobody has do not wait for long, and others do not at all`, withCallers(() => programs, '', async ({ issuer, key, callers }) => {
      assertAnswers(name, await callers.ask(issuer.token(key)), null, LIMIT);
      issuer.hang(KEYS);
      // Until it looks for new keys again.
      await pass(10_200);
      // In Go and Node.js nothing is kept from others by who waits.
      const limit = { python: MOMENT, php: MOMENT }[name] ?? LIMIT;
      assertAnswers(name, await callers.ask(issuer.token(newKey())), /^(refused|unavailable): /, limit);
      assert.equal(issuer.fetches(), 2);
      assertAnswers(name, await callers.ask(issuer.token(key)), null, AT_ONCE);
    }));
  }
});
