// A site that signs whatever it is told to, with keys of its own, and counts who fetches them.

import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

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
  const server = createServer((request, answer) => {
    if (request.url === '/.well-known/jwks.json') fetches += 1;
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
    if (request.url !== '/.well-known/jwks.json') {
      // Where it would lead, the token would be told to somebody else.
      answer.writeHead(302, { Location: '/.well-known/jwks.json' }).end();
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
    fetches: () => fetches,
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
