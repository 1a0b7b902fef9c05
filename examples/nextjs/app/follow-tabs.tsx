'use client';

import { useEffect } from 'react';
import { client } from '@/lib/client';

/**
 * Loads the page anew when somebody logs in or out: no tab shows what its visitor may not see. Where the tab that did it goes on
 * to another page at once, that wins.
 */
export function FollowTabs({ user }: { user: string }) {
  useEffect(() => {
    const stop = client.onChange((change) => {
      if (change.type !== 'refreshed' && change.user !== user) location.reload();
    });
    return () => void stop();
  }, [user]);
  return null;
}
