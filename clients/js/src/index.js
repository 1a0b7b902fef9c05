// Vestibule in the browser: sign up, log in, log out, and a `fetch` that keeps the session fresh.

import { VestibuleError } from './errors.js';

export { VestibuleError };

const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS'];
/** With these words the server says that a session is certainly over. */
const OVER = ['session_expired', 'session_revoked', 'refresh_reused'];
const LOCK = 'vestibule-refresh';
/** A refresh is waited for no longer than this, in milliseconds. */
const PATIENCE = 10_000;
/** Nor is a tab that is frozen while it holds the lock. The server gives two tabs the same successor. */
const LOCK_PATIENCE = 3_000;
/** What was refused is not asked again for so long, and what was not reached for a second: no storm. */
const PAUSE = 30_000;

export function createClient({ baseUrl, fetch: send = (...call) => globalThis.fetch(...call) } = {}) {
  const isInPage = typeof document !== 'undefined';
  const channel = isInPage && 'BroadcastChannel' in globalThis ? new BroadcastChannel('vestibule') : null;
  const listeners = new Set();
  let refreshing = null;
  let failure = null;
  /** When the cookies were last renewed, in this tab or another. */
  let refreshedAt = -Infinity;
  /** The CSRF token of the session whose end was told last. */
  let toldEndOf = null;

  const address = (path) => new URL(path, baseUrl ?? location.origin);

  /** On https a cookie with the bare name was planted by somebody else. */
  function csrfToken() {
    const start = `${address('/').protocol === 'https:' ? '__Host-' : ''}vestibule_csrf=`;
    return document.cookie.split('; ').find((cookie) => cookie.startsWith(start))?.slice(start.length) ?? '';
  }

  function tell(change) {
    for (const listener of listeners) {
      try {
        listener(change);
      } catch (error) {
        // A listener that fails is no failure of the session.
        (globalThis.reportError ?? console.error)(error);
      }
    }
  }

  function tellAllTabs(change) {
    channel?.postMessage(change);
    tell(change);
  }

  channel?.addEventListener('message', ({ data }) => {
    // Another tab's success is ours too: the cookies are the same.
    if (data.type !== 'logged-out') {
      failure = null;
      refreshedAt = performance.now();
    }
    tell(data);
  });
  // Where a test runs this in Node.js, the channel alone keeps no program alive.
  channel?.unref?.();

  /** Once for each session, and not where another tab has logged in meanwhile: then it was the one before that is over. */
  function tellEnd(token, reason) {
    if (toldEndOf === token || ![token, ''].includes(csrfToken())) return;
    toldEndOf = token;
    tellAllTabs({ type: 'logged-out', user: '', reason });
  }

  async function ask(input, options) {
    try {
      return await send(input, options);
    } catch (error) {
      if (input.signal?.aborted) throw error;
      throw VestibuleError.unreachable(error);
    }
  }

  /** One refresh, however many calls wait. Gives whether the session is good; throws where the server does not say. */
  function refresh() {
    const token = csrfToken();
    if (failure?.token === token && Date.now() < failure.until) {
      return failure.error ? Promise.reject(failure.error) : Promise.resolve(false);
    }
    refreshing ??= inTurn(token).finally(() => { refreshing = null; });
    return refreshing;
  }

  /** Tabs take turns, so that who comes second finds what the first has got. */
  async function inTurn(token) {
    const locks = globalThis.navigator?.locks;
    if (!locks) return renew(token);
    const first = await locks.request(LOCK, { ifAvailable: true }, (lock) => lock && renew(token));
    if (first !== null) return first;
    const signal = AbortSignal.timeout(LOCK_PATIENCE);
    const second = async () => {
      const answer = await ask(address('/api/auth/session'), { signal: AbortSignal.timeout(PATIENCE) });
      return answer.ok || renew(token);
    };
    return locks.request(LOCK, { signal }, second).catch((error) => {
      if (error instanceof VestibuleError) throw error;
      return renew(token);
    });
  }

  async function renew(token) {
    try {
      const headers = { 'X-CSRF-Token': token };
      const signal = AbortSignal.timeout(PATIENCE);
      const answer = await ask(address('/api/auth/refresh'), { method: 'POST', headers, signal });
      if (!answer.ok) throw await VestibuleError.from(answer);
      const { user, session } = await answer.json();
      failure = null;
      refreshedAt = performance.now();
      tellAllTabs({ type: 'refreshed', user: user.id, expiresAt: session.expires_at });
      return true;
    } catch (caught) {
      const error = caught instanceof VestibuleError ? caught : VestibuleError.unreachable(caught);
      const pause = error.isTemporary ? (error.retryAfter ?? 1) * 1000 : PAUSE;
      failure = { token, until: Date.now() + pause, error: error.isTemporary && error };
      if (error.isTemporary) throw error;
      if (OVER.includes(error.code)) tellEnd(token, error.code);
      return false;
    }
  }

  async function call(input, options) {
    const request = new Request(input instanceof Request ? input : address(input), options);
    if (new URL(request.url).origin !== address('/').origin) throw new TypeError('this fetch is for the site of baseUrl alone');
    const token = csrfToken();
    if (!SAFE_METHODS.includes(request.method)) request.headers.set('X-CSRF-Token', token);
    const sentAt = performance.now();
    const answer = await ask(request.clone());
    if (answer.status !== 401) return answer;
    const { code } = await VestibuleError.from(answer);
    if (OVER.includes(code)) tellEnd(token, code);
    // A wrong password is a 401 as well. One without a word of ours may be that of another program on this site.
    if (!token || !['unauthenticated', 'internal'].includes(code)) return answer;
    const isGood = sentAt < refreshedAt || (await refresh());
    // What one person began is not sent again as another, who has logged in meanwhile.
    return isGood && csrfToken() === token ? ask(request) : answer;
  }

  async function post(path, body) {
    const headers = { 'Content-Type': 'application/json' };
    const answer = await call(path, { method: 'POST', headers, body: JSON.stringify(body) });
    if (!answer.ok) throw await VestibuleError.from(answer);
    const begun = await answer.json();
    // An answer without a user: the address is confirmed first, and a mail is on its way.
    if (!begun.user) return null;
    tellAllTabs({ type: 'logged-in', user: begun.user.id, expiresAt: begun.session.expires_at });
    return begun;
  }

  return {
    signUp: (fields) => post('/api/auth/sign-up', fields),
    logIn: (fields) => post('/api/auth/log-in', fields),

    async logOut() {
      const token = csrfToken();
      const answer = await call('/api/auth/log-out', { method: 'POST' });
      // With a 401 there is nobody left to log out.
      if (!answer.ok && answer.status !== 401) throw await VestibuleError.from(answer);
      tellEnd(token);
    },

    async session() {
      const answer = await call('/api/auth/session');
      if (answer.status === 401) return null;
      if (!answer.ok) throw await VestibuleError.from(answer);
      return answer.json();
    },

    refresh,
    fetch: call,

    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
