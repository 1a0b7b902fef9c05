// A site that signs whatever it is told to, with keys of its own, and counts who fetches them.

import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

/** What is asked of it. */
export const KEYS = '/.well-known/jwks.json';
export const FEED = '/api/auth/revocations';
/** How long a page of a feed of many takes, in milliseconds. */
const PAGE_MS = 500;

export const base64 = (text) => Buffer.from(text).toString('base64url');
const part = (value) => base64(typeof value === 'string' ? value : JSON.stringify(value));

/** A new key pair under a name. */
export function newKey(kid = randomUUID()) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return { kid, privateKey, x: publicKey.export({ format: 'jwk' }).x };
}

/** A token of any header and claims (or of texts in their place), signed by a key. */
export function signed(key, header, claims) {
  const text = `${part(header)}.${part(claims)}`;
  return `${text}.${base64(sign(null, Buffer.from(text), key.privateKey))}`;
}

export async function openIssuer() {
  let keys = [];
  let isSilent = false;
  let isSlow = false;
  let fetches = 0;
  let questions = 0;
  let pages = 1;
  const hanging = new Set();
  const server = createServer((request, answer) => {
    const [path] = request.url.split('?');
    if (path === KEYS) fetches += 1;
    if (path === FEED) questions += 1;
    if (hanging.has(path)) return;
    if (isSlow) {
      // Always a little more, and never all of it.
      answer.writeHead(200, { 'Content-Type': 'application/json' });
      const more = setInterval(() => answer.write(' '), 100);
      answer.on('close', () => clearInterval(more));
      return;
    }
    if (isSilent) {
      answer.writeHead(503).end();
      return;
    }
    if (path === FEED) {
      const page = Number(request.url.split('since=')[1] ?? 0) + 1;
      const told = { revocations: [], keep_for: 450, all_at: null, next: `${page % pages}`, more: page < pages, reset: false };
      const tell = () => answer.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(told));
      if (pages > 1) setTimeout(tell, PAGE_MS);
      else tell();
      return;
    }
    if (path !== KEYS) {
      // Where it would lead, the token would be told to somebody else.
      answer.writeHead(302, { Location: KEYS }).end();
      return;
    }
    const told = keys.map(({ kid, x }) => ({ kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', use: 'sig', kid, x }));
    answer.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ keys: told }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${server.address().port}`;
  return {
    url,
    publish: (...published) => { keys = published; },
    fallSilent: (silent) => { isSilent = silent; },
    /** From now on each answer comes piece by piece and does not end. */
    slowDown: (slow) => { isSlow = slow; },
    /** From now on this path (`KEYS`, `FEED`) is never answered, whoever asks. */
    hang: (path) => { hanging.add(path); },
    /** All paths are answered again. */
    goOn: () => { hanging.clear(); },
    /** From now on the feed has so many pages, and each of them takes half a second. */
    feedOf: (many) => { pages = many; },
    fetches: () => fetches,
    /** How often the feed was asked. */
    questions: () => questions,
    header: (key, changes = {}) => ({ alg: 'EdDSA', kid: key.kid, typ: 'at+jwt', ...changes }),
    /** The claims of a good token. */
    claims(changes = {}) {
      const now = Math.floor(Date.now() / 1000);
      return { iss: url, aud: url, sub: randomUUID(), sid: base64(randomUUID()), iat: now, exp: now + 300, jti: randomUUID(), ...changes };
    },
    token(key, { header = {}, claims = {} } = {}) {
      return signed(key, this.header(key, header), this.claims(claims));
    },
    async close() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
