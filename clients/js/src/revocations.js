// Which sessions ended or changed, as the server tells programs with a service key that verify access tokens by themselves.

import { VestibuleError } from './errors.js';

/** Between two questions of which the first failed passes at least so much, in milliseconds. */
const COOL_DOWN = 1_000;

/**
 * A function that says whether the token of some claims was revoked. What it says is never older than `within` seconds: it asks anew
 * after half of that, and waits for the answer after all of it. Where there is none by then it throws, unless `failOpen`.
 */
export function makeFollower(load, { within = 10, failOpen = false } = {}) {
  const patience = within * 1000;
  const revoked = new Map();
  let all = -Infinity;
  let cursor = null;
  // Everything that the server committed before this is known.
  let asOf = -Infinity;
  let mayAskAt = -Infinity;
  let failure;
  let asking = null;

  async function follow() {
    // Of the first page: what comes to light between two pages may be told the next time only. And from the last complete time on.
    const sentAt = performance.now();
    let since = cursor;
    try {
      for (let more = true; more;) {
        const told = await load(since);
        all = Math.max(all, told.all_at === null ? all : secondsOf(told.all_at));
        for (const { sid, at } of told.revocations) revoked.set(sid, Math.max(secondsOf(at), revoked.get(sid) ?? 0));
        ({ next: since, more } = told);
        const over = Date.now() / 1000 - told.keep_for;
        for (const [sid, at] of revoked) if (at < over) revoked.delete(sid);
      }
      cursor = since;
      asOf = sentAt;
      failure = undefined;
    } catch (error) {
      failure = error;
      mayAskAt = performance.now() + COOL_DOWN;
    }
  }

  return async function isRevoked({ sid, issuedAt }) {
    const age = performance.now() - asOf;
    if (age >= patience / 2 && performance.now() >= mayAskAt) asking ??= follow().finally(() => { asking = null; });
    if (age >= patience) await asking;
    if (performance.now() - asOf >= patience && !failOpen) throw failure ?? tooSlow();
    const at = Math.max(all, revoked.get(sid) ?? -Infinity);
    return issuedAt.getTime() / 1000 <= at;
  };
}

function secondsOf(moment) {
  const seconds = Date.parse(moment) / 1000;
  if (Number.isNaN(seconds)) throw new TypeError(`no moment: ${moment}`);
  return seconds;
}

function tooSlow() {
  return new VestibuleError({ code: 'unreachable', message: 'The server takes longer than `within` to tell which sessions ended.' });
}
