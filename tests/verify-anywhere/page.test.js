// The page quotes the files, and says what the site says.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { NAMES, source } from './support/programs.js';

const HERE = dirname(fileURLToPath(import.meta.url));
const PAGE = readFileSync(join(HERE, '../../docs/verify-anywhere.md'), 'utf8');
const FENCES = { python: 'python', js: 'node', go: 'go', php: 'php' };

/** Lines without indentation and without the signs of a comment, as one quotes them. */
const bare = (text) => text.split('\n').map((line) => line.trim().replace(/^(\/\/|\*|#)\s*/, '')).filter(Boolean).join('\n');

test('every snippet of the page is in the file that it is of', () => {
  const quoted = Object.fromEntries(NAMES.map((name) => [name, 0]));
  for (const [, fence, snippet] of PAGE.matchAll(/^```(\w+)\n(.*?)^```$/gms)) {
    const name = FENCES[fence];
    if (!name) continue;
    assert.ok(`\n${bare(source(name))}\n`.includes(`\n${bare(snippet)}\n`), `not in the file of ${name}:\n${snippet}`);
    quoted[name] += 1;
  }
  for (const name of NAMES) assert.ok(quoted[name] >= 2, `${name} is quoted ${quoted[name]} times`);
});

test('every command of the page names a file that is there', () => {
  const named = [...PAGE.matchAll(/examples\/verify\/[\w./-]+/g)].map(([path]) => path);
  assert.ok(named.length >= NAMES.length);
  for (const path of named) assert.ok(existsSync(join(HERE, '../..', path)), path);
});
