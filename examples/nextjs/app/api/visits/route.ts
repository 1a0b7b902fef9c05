import { withSession } from '@/lib/with-session';

/** By user, in memory: an example. */
const visits = new Map<string, number>();

export const GET = withSession(({ user }) => Response.json({ visits: visits.get(user.id) ?? 0 }));

export const POST = withSession(({ user }) => {
  visits.set(user.id, (visits.get(user.id) ?? 0) + 1);
  return Response.json({ visits: visits.get(user.id) });
});
