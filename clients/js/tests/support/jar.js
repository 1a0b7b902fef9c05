// A browser's cookies in Node.js, and a `fetch` that sends and keeps them and counts what it asks.

export function openJar() {
  /** By name: `{ value, isReadable }`. */
  const cookies = new Map();
  const asked = [];

  function keep(answer) {
    for (const set of answer.headers?.getSetCookie?.() ?? answer) {
      const [pair, ...attributes] = set.split('; ');
      const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)];
      if (attributes.includes('Max-Age=0')) cookies.delete(name);
      else cookies.set(name, { value, isReadable: !attributes.includes('HttpOnly') });
    }
  }

  const header = () => [...cookies].map(([name, { value }]) => `${name}=${value}`).join('; ');

  return {
    cookies,
    keep,
    header,
    /** What a script reads in `document.cookie`. */
    readable: () => [...cookies].filter(([, { isReadable }]) => isReadable).map(([name, { value }]) => `${name}=${value}`).join('; '),
    /** How often a path was asked for. */
    count: (path) => asked.filter((one) => one === path).length,
    asked,
    async fetch(input, options) {
      const request = new Request(input, options);
      request.headers.set('cookie', header());
      asked.push(new URL(request.url).pathname);
      const answer = await fetch(request);
      keep(answer);
      return answer;
    },
  };
}
