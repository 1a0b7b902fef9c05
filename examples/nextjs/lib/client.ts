'use client';

import { createClient } from '@vestibule/client';

/** The session in the browser. */
export const client = createClient();

/** Where to go after a log-in: a page of this site, whatever `next` says. */
export function nextPage(): string {
  const next = new URLSearchParams(location.search).get('next');
  try {
    const url = new URL(next ?? '/dashboard', location.origin);
    if (url.origin === location.origin) return url.href;
  } catch {
    // It is no address at all.
  }
  return '/dashboard';
}
