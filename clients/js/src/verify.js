// Access tokens, verified by the public keys of the server: JWTs (RFC 7519) with Ed25519 signatures (RFC 8037).

/** How far the server's clock may be ahead of ours, in seconds. */
const CLOCK_LEEWAY = 30;
/** The server's are a third of this. */
const MAX_LENGTH = 2048;
/** After a load for the sake of an unknown key, or one that failed, none for so long, in milliseconds: strangers make up keys. */
const COOL_DOWN = 10_000;
/** How long keys are kept where the server does not say, in seconds. */
const MAX_AGE = 300;
/** The one header that the server writes for a key. */
const headerOf = (kid) => encode(JSON.stringify({ alg: 'EdDSA', kid, typ: 'at+jwt' }));
const OUR_HEADER = /^\{"alg":"EdDSA","kid":"[\w-]{1,64}","typ":"at\+jwt"\}$/;

/**
 * A function that gives the claims of an access token, or null where it is none of `issuer` or its time is over. It throws
 * where there are no keys to verify it with, because `loadKeys` throws.
 *
 * The header of a token is never obeyed: it must be, byte for byte, the header of a key that the server publishes. So there is
 * no algorithm to confuse and no `none`, `crit`, `jwk` or `x5u` (RFC 8725).
 */
export function makeVerifier(issuer, loadKeys) {
  let keys = new Map();
  let failure;
  let freshUntil = 0;
  let usableUntil = 0;
  let mayLoadAt = 0;
  let loading = null;

  async function load(isForUnknownKey) {
    mayLoadAt = Date.now() + COOL_DOWN;
    try {
      const answer = await loadKeys();
      const told = (await answer.json()).keys.filter(({ kty, crv, alg }) => kty === 'OKP' && crv === 'Ed25519' && alg === 'EdDSA');
      const imported = told.map(async ({ kid, x }) => [
        headerOf(kid),
        await crypto.subtle.importKey('jwk', { kty: 'OKP', crv: 'Ed25519', x }, 'Ed25519', false, ['verify']),
      ]);
      keys = new Map(await Promise.all(imported));
      const caching = answer.headers.get('Cache-Control') ?? '';
      const seconds = (name, otherwise) => Number(caching.match(new RegExp(`\\b${name}=(\\d+)`))?.[1] ?? otherwise);
      freshUntil = Date.now() + Math.max(seconds('max-age', MAX_AGE) * 1000, COOL_DOWN);
      usableUntil = freshUntil + seconds('stale-if-error', 0) * 1000;
      if (!isForUnknownKey) mayLoadAt = 0;
    } catch (error) {
      failure = error;
    }
  }

  async function keyOf(header) {
    const isStale = Date.now() >= freshUntil;
    const isUnknown = !isStale && !keys.has(header) && OUR_HEADER.test(textOf(header));
    if ((isStale || isUnknown) && (loading || Date.now() >= mayLoadAt)) {
      loading ??= load(isUnknown).finally(() => { loading = null; });
      await loading;
    }
    // Without keys nobody can be refused either.
    if (Date.now() >= usableUntil) throw failure;
    return keys.get(header);
  }

  return async function verify(token) {
    if (typeof token !== 'string' || token.length > MAX_LENGTH) return null;
    const [header, payload, signature, ...more] = token.split('.');
    if (!signature || more.length > 0) return null;
    const key = await keyOf(header);
    const bytes = decode(signature);
    if (!key || !bytes) return null;
    const isSigned = await crypto.subtle.verify('Ed25519', key, bytes, new TextEncoder().encode(`${header}.${payload}`));
    return isSigned ? claimsOf(payload, issuer) : null;
  };
}

function claimsOf(payload, issuer) {
  const { iss, aud, sub, sid, iat, exp } = claimedBy(payload);
  const now = Date.now() / 1000;
  const isOurs = iss === issuer && aud === issuer && typeof sub === 'string' && typeof sid === 'string';
  const isTimely = Number.isInteger(iat) && Number.isInteger(exp) && iat <= now + CLOCK_LEEWAY && exp > now;
  return isOurs && isTimely ? { userId: sub, sid, issuedAt: new Date(iat * 1000), expiresAt: new Date(exp * 1000) } : null;
}

/** What a token claims, whoever wrote it. */
export function claimedBy(payload) {
  try {
    return JSON.parse(textOf(payload)) ?? {};
  } catch {
    return {};
  }
}

function encode(text) {
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** The bytes of base64url without padding; null where it is none. */
function decode(text) {
  if (!/^[\w-]+$/.test(text)) return null;
  try {
    return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0));
  } catch {
    return null;
  }
}

function textOf(encoded) {
  const bytes = decode(encoded ?? '');
  return bytes ? new TextDecoder().decode(bytes) : '';
}
