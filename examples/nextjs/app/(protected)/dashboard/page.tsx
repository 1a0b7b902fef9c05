import { requireSession } from '@/lib/vestibule';
import { Visits } from './visits';

export default async function Dashboard() {
  const { user, session } = await requireSession('/dashboard');
  return (
    <>
      <h1>Dashboard</h1>
      <p>You are {user.name}, {user.email}. Your session ends on <time>{session.expires_at}</time> unless you come again.</p>
      <Visits />
    </>
  );
}
