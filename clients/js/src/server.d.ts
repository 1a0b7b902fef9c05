import { VestibuleError, type Session, type User } from './errors.js';

export { VestibuleError };
export type { ErrorCode, Session, User } from './errors.js';

/** What an access token says: who, in which session, until when. */
export interface AccessClaims {
  userId: string;
  /** The session's hashed id. It is not `Session.id`. */
  sid: string;
  issuedAt: Date;
  expiresAt: Date;
}

/** Who sent a request, by the server's word. */
export interface CurrentSession {
  user: User;
  session: Session;
  /** `Set-Cookie` headers for the browser, where there are any: append each to your answer where you can. */
  setCookie: string[];
}

/** What a proxy does with a request before a page is rendered. */
export interface Refreshed {
  /** Surely nobody is logged in. Where this is false, the page still asks who it is. */
  isLoggedOut: boolean;
  /** The `Cookie` header with which the page is rendered. */
  cookie: string;
  /** `Set-Cookie` headers for the browser: append each to the answer. */
  setCookie: string[];
}

/**
 * A request, its headers, or its `Cookie` header. A jar such as Next's `cookies()` is refused: it holds what the answer sets
 * beside what the browser sent.
 */
export type Source = Request | Pick<Headers, 'get'> | string;

export interface ServerClientOptions {
  /** `VESTIBULE_PUBLIC_URL` of the server: it issues the tokens and names the cookies. */
  publicUrl: string;
  /** Where the server is reached from here, as `http://127.0.0.1:3000`. By default the public URL. */
  url?: string;
  /**
   * Where `verify` shall refuse tokens of sessions that ended before the tokens are over: by a log-out, a new password, a disabled
   * account. The server is asked every few seconds, and not for each token.
   */
  revocations?: {
    /** A service key with the scope `revocations:read`: `service-key add NAME --scope revocations:read` makes one. */
    key: string;
    /** Seconds within which a token is refused. By default 10. */
    within?: number;
    /**
     * Whether tokens are taken where the server could not be asked for that long. By default they are not: `verify` throws, and nobody
     * is let in.
     */
    failOpen?: boolean;
  };
  /** In place of the global `fetch`, as for tests. */
  fetch?: typeof globalThis.fetch;
}

export interface ServerClient {
  /**
   * The claims of an access token, by the server's public keys alone; null where it is none of ours or its time is over. It
   * does not know of sessions that were ended within the token's life: `getSession` does, and with `revocations` this does too, within
   * the seconds that are set there.
   * @throws VestibuleError where the keys, or what was revoked, cannot be had
   */
  verify(accessToken: string): Promise<AccessClaims | null>;
  /**
   * Who sent a request, by asking the server; null where nobody is logged in. Refreshes where the access token is over. A
   * request (or headers) asks once, however often this is called with it, and requests with the same cookies refresh once.
   * Of a request that changes something the header `X-CSRF-Token` is checked; of headers alone it is not.
   * @throws VestibuleError `csrf_failed`, `forbidden`, `unreachable`, …
   */
  getSession(source: Source): Promise<CurrentSession | null>;
  /**
   * For a proxy in front of pages that cannot set cookies while they are rendered: refreshes where the access token is over.
   * It throws nothing where the server cannot be reached; then the page says so.
   */
  refreshIfNeeded(source: Source): Promise<Refreshed>;
}

/** One for a program: it keeps the public keys. */
export function createServerClient(options: ServerClientOptions): ServerClient;
