'use client';

import { client } from '@/lib/client';

export function LogOutButton() {
  async function logOut() {
    await client.logOut();
    location.assign('/');
  }
  return <button type="button" onClick={logOut}>Log out</button>;
}
