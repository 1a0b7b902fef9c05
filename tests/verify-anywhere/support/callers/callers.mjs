// Many callers of one verifier at once. Each line is a token that each of them brings, and each line told is what they got.
//
// Usage: callers.mjs PUBLIC_URL HOW_MANY

import { createInterface } from 'node:readline';
import { Verifier } from './verify.mjs';

const [publicUrl, howMany] = process.argv.slice(2);
const verifier = new Verifier(publicUrl, { serviceKey: process.env.VESTIBULE_SERVICE_KEY });

async function call(token) {
  const began = performance.now();
  const answer = await verifier.verify(token).then(
    (told) => ({ told }),
    (error) => ({ complaint: `${error.name}: ${error.message}` }),
  );
  return { ...answer, milliseconds: Math.round(performance.now() - began) };
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await Promise.all(Array.from({ length: Number(howMany) }, () => call(line.trim())))));
}
