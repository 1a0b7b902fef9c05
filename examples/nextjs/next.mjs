// Next.js, which tells nobody that it is used. Set here, as it reads `.env` too late for that and shells differ.

process.env.NEXT_TELEMETRY_DISABLED = '1';
await import('next/dist/bin/next');
