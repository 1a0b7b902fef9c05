// Vestibule on your server: who sends a request? For Node.js 20 and runtimes on the edge.
//
// What a page is rendered with never shows the server a new refresh secret. It may be lost on its way to the browser, and a
// secret that was shown makes the one before it stale: the browser, which has only that, would be logged out. So the new
// cookies go to the browser alone, and what is rendered meanwhile asks with the new access token and the old secret.

import { VestibuleError } from './errors.js';
import { makeFollower } from './revocations.js';
import { claimedBy, makeVerifier } from './verify.js';

export { VestibuleError };

const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS'];
/** The server is waited for no longer than this, in milliseconds. */
const PATIENCE = 10_000;
/** How long the CSRF cookie is kept, in seconds: 400 days, as the server sets it. */
const LONGEST_MAX_AGE = 34_560_000;
/** What is passed on of a request, for the audit trail and for mails. The server believes it of trusted proxies alone. */
const PASSED_ON = ['user-agent', 'x-forwarded-for'];

export function createServerClient({ publicUrl, url = publicUrl, revocations, fetch: send = (...call) => globalThis.fetch(...call) }) {
  const site = new URL(publicUrl);
  const prefix = site.protocol === 'https:' ? '__Host-' : '';
  const [ACCESS, REFRESH, CSRF] = ['access', 'refresh', 'csrf'].map((name) => `${prefix}vestibule_${name}`);
  const isRevoked = revocations && makeFollower(loadRevocations, revocations);
  const verifySigned = makeVerifier(site.origin, async () => {
    const answer = await ask('/.well-known/jwks.json');
    if (!answer.ok) throw await VestibuleError.from(answer);
    return answer;
  });
  async function verify(token) {
    const claims = await verifySigned(token);
    return claims && isRevoked && (await isRevoked(claims)) ? null : claims;
  }

  async function loadRevocations(since) {
    const query = since === null ? '' : `?since=${encodeURIComponent(since)}`;
    const answer = await ask(`/api/auth/revocations${query}`, { headers: { authorization: `Bearer ${revocations.key}` } });
    if (!answer.ok) throw await VestibuleError.from(answer);
    return answer.json();
  }

  /** Questions that are under way, by the cookies that they are asked with. */
  const asking = new Map();
  /** What was found out for a request. */
  const known = new WeakMap();

  async function ask(path, options) {
    try {
      return await send(new URL(path, url), {
        redirect: 'manual',
        cache: 'no-store',
        signal: AbortSignal.timeout(PATIENCE),
        ...options,
      });
    } catch (error) {
      throw VestibuleError.unreachable(error);
    }
  }

  /** What a request shows: the values of our cookies, all of each name, and what is passed on. */
  function read(source) {
    if (typeof source?.getAll === 'function') {
      throw new TypeError('give the request, its headers or its Cookie header: a jar of cookies may hold new ones beside the old');
    }
    const isHeaders = typeof source?.get === 'function';
    const headers = typeof source === 'string' ? new Headers({ cookie: source }) : isHeaders ? source : source.headers;
    const pairs = (headers.get('cookie') ?? '').split(';').map((pair) => pair.trim()).filter(Boolean);
    const valuesOf = (name) => pairs.filter((pair) => pair.startsWith(`${name}=`)).map((pair) => pair.slice(name.length + 1));
    const passedOn = PASSED_ON.filter((name) => headers.get(name)).map((name) => [name, headers.get(name)]);
    return {
      isSafe: SAFE_METHODS.includes(source.method ?? 'GET'),
      bearer: headers.get('authorization')?.match(/^bearer .*/i)?.[0],
      csrfHeader: headers.get('x-csrf-token'),
      access: valuesOf(ACCESS),
      refresh: valuesOf(REFRESH),
      csrf: valuesOf(CSRF),
      pairs,
      passedOn: Object.fromEntries(passedOn),
    };
  }

  /** The headers with which the server is asked in the name of a browser: our cookies alone. */
  function asBrowser({ access, refresh, csrf, passedOn }) {
    const named = (name, values) => values.map((value) => `${name}=${value}`);
    return { ...passedOn, cookie: [...named(ACCESS, access), ...named(REFRESH, refresh), ...named(CSRF, csrf)].join('; ') };
  }

  async function getSession(source) {
    // The parts of a page that is rendered hold the same headers, and ask once.
    if (typeof source === 'string') return findSession(read(source));
    if (!known.has(source)) known.set(source, findSession(read(source)));
    return known.get(source);
  }

  async function findSession(shown) {
    if (shown.bearer) return sessionOf(await ask('/api/auth/session', { headers: { ...shown.passedOn, authorization: shown.bearer } }));
    if (!shown.isSafe) {
      // The server then says whether the token in the header is the session's own.
      shown.csrf = shown.csrf.filter((value) => value && value === shown.csrfHeader);
      if (shown.csrf.length === 0) throw csrfFailed();
    }
    if (shown.access.some(isInTime)) {
      const headers = asBrowser(shown);
      const answer = await share(`session ${headers.cookie}`, () => ask('/api/auth/session', { headers }));
      const session = await sessionOf(answer);
      if (session) return session;
      const { code } = await VestibuleError.from(answer);
      if (code !== 'unauthenticated') return null;
      // Where the token is good the refresh cookie is not: the request is an old one, and its secret stale. A refresh with that
      // would be taken for a replay and end the session.
      if (await verifies(shown.access)) return null;
    }
    if (shown.refresh.length === 0) return null;
    const refreshed = await refreshOnce(shown);
    return refreshed.error ? null : refreshed.session;
  }

  /** The parts of a page, and the requests that a page makes at once, share an answer. None is kept beyond. */
  function share(key, make) {
    if (!asking.has(key)) asking.set(key, make().finally(() => asking.delete(key)));
    return asking.get(key);
  }

  async function verifies(tokens) {
    const found = await Promise.all(tokens.map(verify));
    return found.some(Boolean);
  }

  async function sessionOf(answer) {
    if (answer.status === 401) return null;
    if (!answer.ok) throw await VestibuleError.from(answer);
    const { user, session } = await answer.clone().json();
    return { user, session, setCookie: answer.headers.getSetCookie() };
  }

  function refreshOnce(shown) {
    return share(`refresh ${shown.refresh} ${shown.csrf}`, () => refresh(shown));
  }

  /** Gives `{ session, access, setCookie }`, or `{ error, setCookie }` where there is surely no session to refresh. */
  async function refresh(shown) {
    const headers = { ...asBrowser(shown), 'x-csrf-token': shown.csrf[0] ?? '' };
    const answer = await ask('/api/auth/refresh', { method: 'POST', headers });
    const setCookie = answer.headers.getSetCookie();
    if (!answer.ok) {
      const error = await VestibuleError.from(answer);
      if (error.isTemporary) throw error;
      return { error, setCookie };
    }
    const access = setCookie.find((cookie) => cookie.startsWith(`${ACCESS}=`))?.split(';')[0];
    // All three, so that they are of one session whatever another tab's log-in sets meanwhile.
    const secure = prefix ? '; Secure' : '';
    setCookie.push(`${CSRF}=${shown.csrf[0]}; Path=/; Max-Age=${LONGEST_MAX_AGE}; SameSite=Lax${secure}`);
    return { session: { ...(await sessionOf(answer)), setCookie }, access, setCookie };
  }

  async function refreshIfNeeded(source) {
    const shown = read(source);
    const unchanged = { isLoggedOut: false, cookie: shown.pairs.join('; '), setCookie: [] };
    try {
      if (await verifies(shown.access)) return unchanged;
      if (shown.refresh.length === 0) return { ...unchanged, isLoggedOut: true };
      const { error, access, setCookie } = await refreshOnce(shown);
      if (error) return { ...unchanged, isLoggedOut: true, setCookie };
      const others = shown.pairs.filter((pair) => !pair.startsWith(`${ACCESS}=`));
      return { isLoggedOut: false, cookie: [...others, access].join('; '), setCookie };
    } catch (error) {
      if (error instanceof VestibuleError && error.isTemporary) return unchanged;
      throw error;
    }
  }

  return { verify, getSession, refreshIfNeeded };
}

/** Whether a token claims to be good still. The server decides; this only saves a question whose answer is known. */
function isInTime(token) {
  return claimedBy(token.split('.')[1]).exp > Date.now() / 1000;
}

function csrfFailed() {
  return new VestibuleError({ code: 'csrf_failed', status: 403, message: 'This request did not come from a current page of this site.' });
}
