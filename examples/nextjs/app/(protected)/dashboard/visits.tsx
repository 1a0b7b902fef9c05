'use client';

import { useState } from 'react';
import { client } from '@/lib/client';

/** Calls a route handler of this application with the session. */
export function Visits() {
  const [told, setTold] = useState('');

  async function count() {
    const answer = await client.fetch('/api/visits', { method: 'POST' });
    const { visits, detail } = await answer.json();
    setTold(answer.ok ? `Counted: ${visits}` : detail);
  }

  return <p><button type="button" onClick={count}>Count a visit</button> <output>{told}</output></p>;
}
