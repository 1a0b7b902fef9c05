import { NextResponse, type NextRequest } from 'next/server';
import { vestibule } from '@/lib/vestibule';

const PROTECTED = ['/dashboard', '/parts'];

/**
 * Before a page is rendered: refreshes the session, because a page cannot set cookies while it is rendered, and saves who is
 * surely not logged in the way.
 *
 * It is never the only check. A header of the request was once enough to have this step left out (CVE-2025-29927), and a
 * matcher that is wrong is enough today. Every page and route handler asks by itself: `requireSession`, `withSession`.
 */
export async function proxy(request: NextRequest) {
  const { isLoggedOut, cookie, setCookie } = await vestibule.refreshIfNeeded(request);
  const headers = new Headers(request.headers);
  if (cookie) headers.set('cookie', cookie);
  const { pathname, search } = request.nextUrl;
  const isProtected = PROTECTED.some((path) => pathname === path || pathname.startsWith(`${path}/`));
  const answer =
    isLoggedOut && isProtected
      ? NextResponse.redirect(new URL(`/log-in?next=${encodeURIComponent(pathname + search)}`, request.nextUrl))
      : NextResponse.next({ request: { headers } });
  for (const value of setCookie) answer.headers.append('set-cookie', value);
  return answer;
}

export const config = {
  // Pages. Route handlers set cookies by themselves, and files need none.
  matcher: '/((?!api/|_next/|assets/|.*\\.).*)',
};
