import { currentSession } from '@/lib/vestibule';

export default async function Home() {
  const current = await currentSession();
  return (
    <>
      <h1>{current ? `Hello, ${current.user.name}` : 'Hello, stranger'}</h1>
      <p>Pages are those of Next.js, accounts those of a Vestibule server, under one address.</p>
    </>
  );
}
