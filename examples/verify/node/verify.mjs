// Verifies the access tokens of a Vestibule site. Needs Node.js 20 or newer and `npm install jose`.
//
// In a program: keep one Verifier for its whole life, as it holds the copy of the keys.
//
//   const verifier = new Verifier('https://example.com'); // the site's VESTIBULE_PUBLIC_URL
//   const claims = await verifier.verify(token);          // quick; sees no log-out until the token is over
//   const who = await verifier.ask(token);                // asks the site; a log-out holds at once
//
// With a service key (`service-key add NAME --scope revocations:read`) it sees a log-out within ten seconds, and stays quick:
//
//   const verifier = new Verifier('https://example.com', { serviceKey });
//
// By hand, with a token on each line: node verify.mjs https://example.com [token|session|cookies]
// The service key is then taken from VESTIBULE_SERVICE_KEY, where that is set.

import { realpathSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as pass } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { errors, importJWK, jwtVerify } from 'jose';

// The site says of its keys: max-age=300, stale-if-error=300.
const FRESH_MS = 300_000;
const KEPT_MS = 600_000;
// Anybody can write a token that names a key nobody has. Between two looks for new keys passes this time.
const PAUSE_MS = 10_000;
const TIMEOUT_MS = 3_000;
// With a service key a log-out is seen within so long. After half of it the site is asked again, after all of it its answer is waited
// for, and where there is none, nobody is let in.
const REVOKED_WITHIN_MS = 10_000;
// Between two questions of which the first failed passes this time.
const REVOCATIONS_PAUSE_MS = 1_000;
// A token has about a third of this.
const MAX_TOKEN_LENGTH = 2048;
// Three parts of base64url without padding (RFC 7515). Libraries may read plain base64 too.
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;
// How far the site's clock may be ahead of this one. `exp` has no leeway, as at the site itself.
const IAT_LEEWAY_SECONDS = 30;

/** The token or the session is not good: answer 401. */
export class Refused extends Error {
  name = 'Refused';
}

/** The site cannot be asked, so nobody can tell: answer 503, and let nobody in. */
export class Unavailable extends Error {
  name = 'Unavailable';
}

export class Verifier {
  #url;
  #keys = new Map();
  #fetchedAt = -Infinity;
  #triedAt = -Infinity;
  #fetching;
  #serviceKey;
  #revoked = new Map();
  #allAt = -Infinity;
  #cursor = null;
  #followedAt = -Infinity;
  #followTriedAt = -Infinity;
  #following;

  constructor(publicUrl, { serviceKey } = {}) {
    this.#url = publicUrl.replace(/\/+$/, '');
    this.#serviceKey = serviceKey;
  }

  /** The claims of a good token. Throws Refused or Unavailable. */
  async verify(token) {
    if (typeof token !== 'string' || token.length > MAX_TOKEN_LENGTH || !TOKEN.test(token)) throw new Refused('no token');
    let claims;
    try {
      ({ payload: claims } = await jwtVerify(token, ({ kid }) => this.#key(kid), {
        // Never the algorithm that the token names.
        algorithms: ['EdDSA'],
        typ: 'at+jwt',
        issuer: this.#url,
        audience: this.#url,
        requiredClaims: ['iss', 'aud', 'sub', 'sid', 'iat', 'exp'],
      }));
    } catch (error) {
      if (error instanceof errors.JOSEError) throw new Refused(error.message, { cause: error });
      throw error;
    }
    // The library would also take a list in which this site is one of several.
    if (claims.aud !== this.#url) throw new Refused('for another audience');
    if (!(claims.iat <= Date.now() / 1000 + IAT_LEEWAY_SECONDS)) throw new Refused('issued in the future');
    if (this.#serviceKey && (await this.#isRevoked(claims))) throw new Refused('the session has ended, or its user has changed');
    return claims;
  }

  /** The user and the session of a token, told by the site. Throws Refused or Unavailable. */
  ask(token) {
    return this.#ask('Authorization', `Bearer ${token}`);
  }

  /** The same for the `Cookie` header of a browser, for programs behind the site's own host name. */
  askWithCookies(cookies) {
    return this.#ask('Cookie', cookies);
  }

  /** Whether the session of a token ended, or its user changed, after the token was issued. */
  async #isRevoked({ sid, iat }) {
    const age = performance.now() - this.#followedAt;
    if (age >= REVOKED_WITHIN_MS / 2) {
      this.#followUnlessJustTried();
      // Who knows enough waits for no answer, and nobody waits for many pages of it.
      if (age >= REVOKED_WITHIN_MS) await Promise.race([this.#following, pass(TIMEOUT_MS, undefined, { ref: false })]);
    }
    if (performance.now() - this.#followedAt >= REVOKED_WITHIN_MS) throw new Unavailable('the site does not tell which sessions ended');
    return iat <= Math.max(this.#allAt, this.#revoked.get(sid) ?? -Infinity);
  }

  #followUnlessJustTried() {
    // One at a time: the next must go on where this one ends.
    const now = performance.now();
    if (this.#following || now - this.#followTriedAt < REVOCATIONS_PAUSE_MS) return;
    this.#followTriedAt = now;
    this.#following = this.#follow(now)
      .catch(() => {
        // What is known is good for a while longer, and what was begun is asked again: after a pause, however long this has taken.
        this.#followTriedAt = performance.now();
      })
      .finally(() => {
        this.#following = undefined;
      });
  }

  /** `now` is the moment of the first page: what comes to light between two pages may be told the next time only. */
  async #follow(now) {
    const headers = { Authorization: `Bearer ${this.#serviceKey}` };
    const revoked = new Map(this.#revoked);
    let [allAt, cursor, more] = [this.#allAt, this.#cursor, true];
    while (more) {
      const query = cursor === null ? '' : `?since=${encodeURIComponent(cursor)}`;
      const answer = await this.#get(`/api/auth/revocations${query}`, headers);
      if (!answer.ok) throw new Unavailable(`the site answers ${answer.status}`);
      const told = await answer.json();
      if (told.all_at !== null) allAt = Math.max(allAt, seconds(told.all_at));
      for (const { sid, at } of told.revocations) revoked.set(sid, Math.max(seconds(at), revoked.get(sid) ?? -Infinity));
      ({ next: cursor, more } = told);
      const over = Date.now() / 1000 - told.keep_for;
      for (const [sid, at] of revoked) if (at < over) revoked.delete(sid);
    }
    [this.#revoked, this.#allAt, this.#cursor, this.#followedAt] = [revoked, allAt, cursor, now];
  }

  /** A key of the site, by its name. */
  async #key(kid) {
    const age = performance.now() - this.#fetchedAt;
    if (!this.#keys.has(kid) || age >= FRESH_MS) {
      this.#fetchUnlessJustTried();
      // Who has a key that may still be used waits for no answer.
      if (!this.#keys.has(kid) || age >= KEPT_MS) await this.#fetching;
    }
    if (performance.now() - this.#fetchedAt >= KEPT_MS) throw new Unavailable("the site's keys cannot be fetched");
    const key = this.#keys.get(kid);
    if (!key) throw new Refused('signed with a key that the site does not have');
    return key;
  }

  #fetchUnlessJustTried() {
    const now = performance.now();
    if (now - this.#triedAt < PAUSE_MS) return;
    this.#triedAt = now;
    this.#fetching = this.#fetchKeys(now).catch(() => {
      // The copy is good for a while longer.
    });
  }

  async #fetchKeys(now) {
    const answer = await this.#get('/.well-known/jwks.json');
    if (!answer.ok) throw new Unavailable(`the site answers ${answer.status}`);
    const { keys } = await answer.json();
    const ours = keys.filter(({ crv }) => crv === 'Ed25519');
    this.#keys = new Map(await Promise.all(ours.map(async (jwk) => [jwk.kid, await importJWK(jwk, 'EdDSA')])));
    this.#fetchedAt = now;
  }

  async #ask(name, value) {
    if (!/^[\x20-\x7e]+$/.test(value)) throw new Refused('not the text of a header');
    let answer;
    try {
      answer = await this.#get('/api/auth/session', { [name]: value });
      if (answer.ok) return await answer.json();
    } catch (error) {
      throw new Unavailable(error.message, { cause: error });
    }
    if (answer.status === 401 || answer.status === 403) throw new Refused('the site refuses this session');
    throw new Unavailable(`the site answers ${answer.status}`);
  }

  #get(path, headers = {}) {
    // A redirect would take the token to another place.
    return fetch(this.#url + path, { headers, redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) });
  }
}

function seconds(moment) {
  const parsed = Date.parse(moment) / 1000;
  if (Number.isNaN(parsed)) throw new Unavailable(`the site says ${moment} for a moment`);
  return parsed;
}

async function main([publicUrl, what = 'token', ...more]) {
  if (!publicUrl || more.length > 0 || !['token', 'session', 'cookies'].includes(what)) {
    console.error('usage: verify.mjs PUBLIC_URL [token|session|cookies], with one on each line of the standard input');
    return 1;
  }
  const verifier = new Verifier(publicUrl, { serviceKey: process.env.VESTIBULE_SERVICE_KEY });
  const checks = {
    token: (line) => verifier.verify(line),
    session: (line) => verifier.ask(line),
    cookies: (line) => verifier.askWithCookies(line),
  };
  let good = 0;
  let bad = 0;
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      console.log(JSON.stringify(await checks[what](line.trim())));
      good += 1;
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Unavailable)) throw error;
      console.error(`${error.name}: ${error.message}`);
      bad += 1;
    }
  }
  return good > 0 && bad === 0 ? 0 : 1;
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(process.argv.slice(2));
}
