import { VestibuleError, type Session, type User } from './errors.js';

export { VestibuleError };
export type { ErrorCode, Session, User } from './errors.js';

/** Who is logged in, and with which session. */
export interface LoggedIn {
  user: User;
  session: Session;
}

/** Something happened to the session, in this tab or another. */
export interface Change {
  type: 'logged-in' | 'logged-out' | 'refreshed';
  /** Whose session it is: an id, or nothing after a log-out. */
  user: string;
  /** When the session ends unless it is used: RFC 3339. */
  expiresAt?: string;
  /** Where the server ended the session: `session_expired`, `session_revoked`, `refresh_reused`. */
  reason?: string;
}

export interface ClientOptions {
  /** Where the server answers: scheme, host and port. By default the page's own, and cookies ask for no other. */
  baseUrl?: string;
  /** In place of the global `fetch`, as for tests. */
  fetch?: typeof globalThis.fetch;
}

export interface Client {
  /**
   * Makes an account and logs in. Gives null where the site has addresses confirmed first: then a mail is on its way.
   * @throws VestibuleError `invalid_input` and `email_taken` with `fields`, `forbidden`, `too_many_requests`, …
   */
  signUp(fields: { name: string; email: string; password: string; invite?: string }): Promise<LoggedIn | null>;
  /** @throws VestibuleError `invalid_credentials`, `too_many_requests`, … */
  logIn(fields: { email: string; password: string }): Promise<LoggedIn>;
  /** Ends the session and tells all tabs. Nothing happens where it is over already. */
  logOut(): Promise<void>;
  /** Who is logged in, by the server's word; null where nobody is. */
  session(): Promise<LoggedIn | null>;
  /**
   * Refreshes the session, once however many call. Gives whether it is good. `fetch` does it by itself.
   * @throws VestibuleError where the server does not say: `unreachable`, `overloaded`, …
   */
  refresh(): Promise<boolean>;
  /**
   * `fetch` for this site alone. Adds the CSRF token to what changes something; on 401 refreshes the session and tries once
   * more. A second 401 is yours.
   * @throws VestibuleError `unreachable` where nobody answers; TypeError for another site
   */
  fetch(input: string | URL | Request, options?: RequestInit): Promise<Response>;
  /** Calls `listener` when somebody logs in or out or the session is refreshed, in any tab. Gives a function that ends it. */
  onChange(listener: (change: Change) => void): () => void;
}

/** One for a page is enough. It may be made while a page is rendered on a server, and is used in browsers alone. */
export function createClient(options?: ClientOptions): Client;
