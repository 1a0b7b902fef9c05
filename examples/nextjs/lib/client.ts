'use client';

import { createClient } from '@vestibule/client';

/** The session in the browser. */
export const client = createClient();

/** Where to go after a log-in: a page of this site, whatever `next` says. */
export function nextPage(): string {
  const next = new URLSearchParams(location.search).get('next');
  const url = URL.parse(next ?? '/dashboard', location.origin);
  return url?.origin === location.origin ? url.href : '/dashboard';
}
