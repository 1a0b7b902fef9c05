// Next.js, which tells nobody that it is used. Set here, as it reads `.env` too late for that and shells differ.
//
// It listens for this machine alone, unless told otherwise: what reaches it past the reverse proxy may claim any address in
// `X-Forwarded-For`, and in development there is no proxy at all.

const [task, ...words] = process.argv.slice(2);
const isTold = words.some((word) => /^(-H|--hostname)/.test(word));
if (['dev', 'start'].includes(task) && !isTold) process.argv.push('--hostname', '127.0.0.1');

process.env.NEXT_TELEMETRY_DISABLED = '1';
await import('next/dist/bin/next');
