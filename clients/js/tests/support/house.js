// The real program, as the browser tests start it.

process.env.VESTIBULE_BROWSER_SITE ??= process.env.VESTIBULE_TEST_SITE ?? new URL('../../../../target/debug/site', import.meta.url).pathname;
const { openHouse: open, PASSWORD } = await import('../../../../tests/browser/support/house.js');

export { PASSWORD };

/** Quotas are for guessers: these tests come from one address. */
export const openHouse = (settings) => open({ VESTIBULE_RATE_LIMIT: 'off', ...settings });
