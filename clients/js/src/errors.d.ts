/** The server's words, and `unreachable` where none came. A later server may have more. */
export type ErrorCode =
  | 'invalid_input' | 'invalid_credentials' | 'unauthenticated' | 'session_expired' | 'session_revoked' | 'refresh_reused'
  | 'csrf_failed' | 'forbidden' | 'not_found' | 'conflict' | 'email_taken' | 'email_not_verified' | 'token_invalid'
  | 'too_many_requests' | 'payload_too_large' | 'unsupported_media_type' | 'method_not_allowed' | 'overloaded' | 'internal'
  | 'unreachable' | (string & {});

/** What went wrong, in the server's own words (RFC 9457). */
export class VestibuleError extends Error {
  /** A word for programs, which stays the same. */
  readonly code: ErrorCode;
  /** The HTTP status; 0 where nobody answered. */
  readonly status: number;
  /** What is wrong with each field, by its name. Empty but for invalid input. */
  readonly fields: Readonly<Record<string, { code: string; message: string } | undefined>>;
  /** By this the request is found in the server's log. */
  readonly requestId?: string;
  /** Seconds after which to try again. */
  readonly retryAfter?: number;
  /** Whether it says nothing about the session: the server was not reached, is busy, or failed. */
  get isTemporary(): boolean;

  constructor(parts: {
    code: ErrorCode;
    status?: number;
    message?: string;
    fields?: Record<string, { code: string; message: string }>;
    requestId?: string;
    retryAfter?: number;
    cause?: unknown;
  });

  /** Reads an answer that is no success. One that is not the server's own has the code `internal`. */
  static from(answer: Response): Promise<VestibuleError>;

  /** Nobody answered. */
  static unreachable(cause?: unknown): VestibuleError;
}

/** An account. */
export interface User {
  id: string;
  email: string;
  name: string;
  is_email_verified: boolean;
  role: string;
  /** RFC 3339, in UTC, as all moments here. */
  created_at: string;
}

/** A session, by its public name. */
export interface Session {
  id: string;
  created_at: string;
  last_seen_at: string;
  expires_at: string;
  ip: string | null;
  user_agent: string | null;
  current: boolean;
}
