// The verifiers as programs: each runs for as long as a test, and is asked line by line.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, '../../..');
const EXAMPLES = join(ROOT, 'examples/verify');
export const PYTHON = process.env.VESTIBULE_VERIFY_PYTHON ?? join(ROOT, 'target/verify-anywhere/python/bin/python');
const BY_ITSELF = '`cargo xtask verify-anywhere` installs it where it can';

/** What the seconds of the hurried copies are. */
export const HURRIED = { fresh: 1, kept: 6, pause: 1, revoked: 2 };

/** Each language: its file, how the file says its seconds, and how it is run from a folder. */
export const LANGUAGES = {
  python: {
    file: 'python/verify.py',
    seconds: { fresh: ['FRESH_SECONDS = ', ''], kept: ['KEPT_SECONDS = ', ''], pause: ['\nPAUSE_SECONDS = ', ''], revoked: ['REVOKED_WITHIN_SECONDS = ', ''] },
    require() {
      const looks = spawnSync(PYTHON, ['-c', 'import jwt, cryptography']);
      if (looks.status !== 0) {
        throw new Error(
          `Python with PyJWT is not at ${PYTHON}: python3 -m venv target/verify-anywhere/python && ` +
            `target/verify-anywhere/python/bin/pip install -r examples/verify/python/requirements.txt; ${BY_ITSELF}`,
        );
      }
    },
    command: (folder) => [PYTHON, '-B', join(folder, 'verify.py')],
  },
  node: {
    file: 'node/verify.mjs',
    seconds: { fresh: ['FRESH_MS = ', '_000;'], kept: ['KEPT_MS = ', '_000;'], pause: ['const PAUSE_MS = ', '_000;'], revoked: ['REVOKED_WITHIN_MS = ', '_000;'] },
    require() {
      if (!existsSync(join(EXAMPLES, 'node/node_modules/jose'))) {
        throw new Error(`jose is missing: (cd examples/verify/node && npm ci); ${BY_ITSELF}`);
      }
    },
    prepare(folder) {
      symlinkSync(join(EXAMPLES, 'node/node_modules'), join(folder, 'node_modules'));
    },
    command: (folder) => [process.execPath, join(folder, 'verify.mjs')],
  },
  go: {
    file: 'go/verify.go',
    seconds: { fresh: ['fresh = ', ' * time.Second'], kept: ['kept  = ', ' * time.Second'], pause: ['pause          = ', ' * time.Second'], revoked: ['revokedWithin = ', ' * time.Second'] },
    require() {
      if (spawnSync('go', ['version']).status !== 0) {
        throw new Error(`Go is missing: sudo apt-get install golang-go, or https://go.dev; ${BY_ITSELF}`);
      }
    },
    prepare(folder) {
      cpSync(join(EXAMPLES, 'go/go.mod'), join(folder, 'go.mod'));
      buildGo(folder);
    },
    command: (folder) => [join(folder, 'verify')],
  },
  php: {
    file: 'php/verify.php',
    seconds: { fresh: ['FRESH_SECONDS = ', ';'], kept: ['KEPT_SECONDS = ', ';'], pause: ['const PAUSE_SECONDS = ', ';'], revoked: ['REVOKED_WITHIN_SECONDS = ', ';'] },
    require() {
      const looks = spawnSync('php', ['-r', 'exit(extension_loaded("sodium") ? 0 : 1);']);
      if (looks.status !== 0) throw new Error(`PHP with sodium is missing: sudo apt-get install php-cli; ${BY_ITSELF}`);
    },
    // Whatever PHP complains of is told, and taken for an answer that nobody expects.
    command: (folder) => ['php', '-d', 'display_errors=stderr', '-d', 'error_reporting=-1', join(folder, 'verify.php')],
  },
};

/** Builds the program `verify` of what is in a folder. */
export function buildGo(folder) {
  // Nothing is fetched: neither modules nor another Go.
  const env = { ...process.env, GOTOOLCHAIN: 'local', GOPROXY: 'off', GOFLAGS: '' };
  execFileSync('go', ['build', '-o', 'verify', '.'], { cwd: folder, env, stdio: ['ignore', 'ignore', 'inherit'] });
}

export const NAMES = Object.keys(LANGUAGES);

/** The text of a language's file. */
export function source(name) {
  return readFileSync(join(EXAMPLES, LANGUAGES[name].file), 'utf8');
}

/** What a file says in seconds. */
export function secondsOf(name) {
  const found = Object.entries(LANGUAGES[name].seconds).map(([what, [before, after]]) => {
    const [, rest] = source(name).split(before);
    return [what, Number.parseInt(rest?.split(after || '\n')[0], 10)];
  });
  return Object.fromEntries(found);
}

/** Makes copies of all files that can be run, with the seconds as they are or hurried. Ends with `remove`. */
export function prepare({ isHurried = false } = {}) {
  for (const name of NAMES) LANGUAGES[name].require();
  const root = mkdtempSync(join(tmpdir(), 'vestibule-verify-'));
  const commands = {};
  const folders = {};
  for (const name of NAMES) {
    const { file, seconds, prepare: build, command } = LANGUAGES[name];
    const folder = mkdtempSync(join(root, `${name}-`));
    let text = source(name);
    for (const [what, [before, after]] of isHurried ? Object.entries(seconds) : []) {
      text = text.replace(`${before}${secondsOf(name)[what]}${after}`, `${before}${HURRIED[what]}${after}`);
    }
    writeFileSync(join(folder, file.split('/')[1]), text);
    build?.(folder);
    commands[name] = command(folder);
    folders[name] = folder;
  }
  return {
    root,
    /** The folder of each language's copy. */
    folders,
    /** A verifier that lives until it is closed. */
    start: (name, ...args) => new Program(commands[name], args),
    /** The same, with more in its environment. */
    startWith: (env, name, ...args) => new Program(commands[name], args, env),
    /** Runs a verifier once, with all of its input. */
    run(name, args, input) {
      const [program, ...first] = commands[name];
      const ran = spawnSync(program, [...first, ...args], { input, encoding: 'utf8', timeout: 30_000 });
      if (ran.error) throw ran.error;
      return ran;
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** A program that answers line by line. */
export class Program {
  #child;
  #lines = [];
  #waiting = [];

  constructor([program, ...first], args, env = {}) {
    this.#child = spawn(program, [...first, ...args], { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    this.#listen(this.#child.stdout, (line) => ({ told: line }));
    this.#listen(this.#child.stderr, (line) => ({ complaint: line }));
    this.#child.on('exit', (code) => this.#hear({ complaint: `it has ended with ${code}` }));
  }

  /** What is printed for a line: what it tells, parsed, or its complaint, small. */
  async ask(line) {
    this.#child.stdin.write(`${line}\n`);
    const answer = this.#lines.shift() ?? (await new Promise((heard) => this.#waiting.push(heard)));
    return answer.told === undefined ? { complaint: answer.complaint.toLowerCase() } : { told: JSON.parse(answer.told) };
  }

  async close() {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.stdin.end();
    await ended;
  }

  #listen(stream, answer) {
    createInterface({ input: stream }).on('line', (line) => this.#hear(answer(line)));
  }

  #hear(answer) {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(answer);
    else this.#lines.push(answer);
  }
}

/** Asks again until an answer is as it should be. */
export async function until(what, ask, isGood, milliseconds = 15_000) {
  const end = Date.now() + milliseconds;
  for (;;) {
    const answer = await ask();
    if (isGood(answer)) return answer;
    if (Date.now() > end) throw new Error(`${what}: still ${JSON.stringify(answer)}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}
