import Link from 'next/link';
import type { ReactNode } from 'react';
import { currentSession } from '@/lib/vestibule';
import { FollowTabs } from './follow-tabs';
import { LogOutButton } from './log-out-button';
import './style.css';

export const metadata = { title: 'Vestibule and Next.js' };

export default async function Layout({ children }: { children: ReactNode }) {
  const current = await currentSession();
  return (
    <html lang="en">
      <body>
        <header>
          <nav>
            <Link href="/">Home</Link>
            {current && <Link href="/dashboard">Dashboard</Link>}
            {current && <Link href="/parts">Parts</Link>}
            {current && <a href="/account">{current.user.name}</a>}
            {current ? <LogOutButton /> : <><Link href="/log-in">Log in</Link><Link href="/sign-up">Sign up</Link></>}
          </nav>
        </header>
        <main>{children}</main>
        <FollowTabs user={current?.user.id ?? ''} />
      </body>
    </html>
  );
}
