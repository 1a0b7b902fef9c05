// For the server alone: who sends a request.

import { createServerClient } from '@vestibule/client/server';
import { headers } from 'next/headers';
import { redirect } from 'next/navigation';

function setting(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: see .env`);
  return value;
}

export const vestibule = createServerClient({
  publicUrl: setting('VESTIBULE_PUBLIC_URL'),
  url: setting('VESTIBULE_URL'),
});

/**
 * Who looks at the page that is rendered; null where nobody is logged in. Any number of components may ask: the server is
 * asked once for a request. By headers and not `cookies()`, which hold what the browser may never get.
 */
export async function currentSession() {
  return vestibule.getSession(await headers());
}

/**
 * The same for a page that is only for who is logged in. Every such page calls it, and not its layout alone: a layout is not
 * rendered again when somebody goes from page to page.
 */
export async function requireSession(path: string) {
  const current = await currentSession();
  if (!current) redirect(`/log-in?next=${encodeURIComponent(path)}`);
  return current;
}
