// What a page pays for the client, and what its types promise.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { createClient } from '../src/index.js';
import { createServerClient } from '../src/server.js';

const source = (name) => new URL(`../src/${name}`, import.meta.url);

test('what a browser loads is under 4 KB compressed, comments and all', async () => {
  const loaded = ['index.js'];
  let size = 0;
  for (const name of loaded) {
    const text = await readFile(source(name), 'utf8');
    size += gzipSync(text).length;
    for (const [, other] of text.matchAll(/from '\.\/([\w.]+)'/g)) if (!loaded.includes(other)) loaded.push(other);
  }
  assert.deepEqual(loaded, ['index.js', 'errors.js']);
  console.log(`${size} bytes`);
  assert.ok(size < 4096, `${size} bytes`);
});

test('it depends on nothing', async () => {
  const { dependencies, peerDependencies } = JSON.parse(await readFile(source('../package.json'), 'utf8'));
  assert.deepEqual([dependencies, peerDependencies], [undefined, undefined]);
  for (const name of readdirSync(source('.')).filter((name) => name.endsWith('.js'))) {
    const text = await readFile(source(name), 'utf8');
    assert.deepEqual([...text.matchAll(/from '([^.][^']*)'|import\(/g)].map(String), [], name);
  }
});

test('the types name what is there', async () => {
  const clients = [['index', 'Client', createClient()], ['server', 'ServerClient', createServerClient({ publicUrl: 'http://localhost:3000' })]];
  for (const [file, name, client] of clients) {
    const types = await readFile(source(`${file}.d.ts`), 'utf8');
    const described = types.match(new RegExp(`interface ${name} \\{(.*?)\\n\\}`, 's'))[1];
    const methods = [...described.matchAll(/^ {2}(\w+)\(/gm)].map(([, method]) => method);
    assert.deepEqual(methods.sort(), Object.keys(client).sort());
  }
});
