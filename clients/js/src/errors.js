/** What went wrong, in the server's own words (RFC 9457). */
export class VestibuleError extends Error {
  constructor({ code, status = 0, message, fields = {}, requestId, retryAfter, cause }) {
    super(message ?? code, { cause });
    Object.assign(this, { name: 'VestibuleError', code, status, fields, requestId, retryAfter });
  }

  /** Reads an answer that is no success. One that is not the server's own, as of a proxy between, has the code `internal`. */
  static async from(answer) {
    const body = await answer.clone().json().catch(() => null);
    const { code = 'internal', detail, errors = [] } = body ?? {};
    const fields = {};
    for (const { field, code, message } of errors) fields[field] ??= { code, message };
    const seconds = parseInt(answer.headers.get('Retry-After') ?? '', 10);
    return new VestibuleError({
      code,
      status: answer.status,
      message: detail ?? `The server answered with ${answer.status}.`,
      fields,
      requestId: answer.headers.get('X-Request-Id') ?? undefined,
      retryAfter: Number.isNaN(seconds) ? undefined : seconds,
    });
  }

  /** Nobody answered. */
  static unreachable(cause) {
    return new VestibuleError({ code: 'unreachable', message: 'The server cannot be reached at the moment.', cause });
  }

  /** Whether it says nothing about the session: the server was not reached, is busy, or failed. */
  get isTemporary() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}
