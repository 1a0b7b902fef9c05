import { Suspense } from 'react';
import { currentSession, requireSession } from '@/lib/vestibule';

/** A page of many parts that are rendered at once, each of which wants to know who is there. */
export default async function Parts() {
  await requireSession('/parts');
  return (
    <>
      <h1>Parts</h1>
      <ul>
        {Array.from({ length: 12 }, (_, number) => (
          <Suspense key={number} fallback={<li>…</li>}>
            <Part number={number + 1} />
          </Suspense>
        ))}
      </ul>
    </>
  );
}

async function Part({ number }: { number: number }) {
  const current = await currentSession();
  return <li className="part">Part {number} is for {current?.user.name ?? 'nobody'}</li>;
}
