import type { NextConfig } from 'next';

const config: NextConfig = {
  // One origin: what this application has no page for is the Vestibule server's. The API, and the pages that mails link to:
  // /confirm-email, /reset-password, /account. A browser sees one site, so cookies stay first-party and need no CORS.
  rewrites: async () => ({
    beforeFiles: [],
    afterFiles: [],
    fallback: [{ source: '/:path*', destination: `${process.env.VESTIBULE_URL}/:path*` }],
  }),
  agentRules: false,
};

export default config;
