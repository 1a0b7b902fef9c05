import { VestibuleError, type CurrentSession } from '@vestibule/client/server';
import { vestibule } from '@/lib/vestibule';

/**
 * A route handler for who is logged in. A request that changes something carries the header `X-CSRF-Token`, as the `fetch` of
 * the client adds it, or is refused. Answers as the server does, so that the client understands them.
 */
export function withSession(handle: (current: CurrentSession, request: Request) => Response | Promise<Response>) {
  return async (request: Request) => {
    try {
      const current = await vestibule.getSession(request);
      if (!current) return problem(401, 'unauthenticated', 'Log in to go on.');
      const answer = await handle(current, request);
      for (const value of current.setCookie) answer.headers.append('set-cookie', value);
      answer.headers.set('cache-control', 'private, no-store');
      return answer;
    } catch (error) {
      if (error instanceof VestibuleError) return problem(error.status || 503, error.code, error.message);
      throw error;
    }
  };
}

function problem(status: number, code: string, detail: string) {
  return Response.json({ status, code, detail }, { status, headers: { 'content-type': 'application/problem+json' } });
}
