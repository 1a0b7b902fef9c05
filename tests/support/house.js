// The real program, on a database of its own in a folder of its own, with the development mailbox: for all tests in JavaScript, of the
// website, the client, the example and the verifiers. It needs nothing but Node.js.

import { spawn, execFile } from 'node:child_process';
import { mkdtemp, open, readFile, rm, truncate } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** What another program changes is known to the server within a second: it remembers sessions. */
const theServerKnows = () => new Promise((resolve) => { setTimeout(resolve, 1000); });

const PROGRAM = process.env.VESTIBULE_TEST_SITE ?? fileURLToPath(new URL('../../target/debug/site', import.meta.url));
export const PASSWORD = 'copper window thursday';
export const OTHER_PASSWORD = 'velvet orchard seventeen';
/** Quotas are for guessers, and tests that act faster than people do it from one address. */
export const NO_LIMITS = { VESTIBULE_RATE_LIMIT: 'off' };

/** A port on which nobody listens. */
export async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** Starts the site. `settings` are more environment variables. */
export async function openHouse(settings = {}) {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'vestibule-house-'));
  const foreign = Object.keys(process.env).filter((name) => name.startsWith('VESTIBULE_') || name === 'DATABASE_URL');
  const env = {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.includes(name))),
    VESTIBULE_LISTEN: `127.0.0.1:${port}`,
    RUST_LOG: 'warn',
    ...settings,
  };
  const url = `http://localhost:${port}`;
  let log = '';
  let child;
  const start = async () => {
    // The signal of a file that may not grow is ignored, so that the program sees an error and does not end: `loseDatabase`.
    child = spawn('sh', ['-c', 'trap "" XFSZ; exec "$0"', PROGRAM], { cwd: folder, env, stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr.on('data', (data) => { log += data; });
    for (let tries = 0; tries < 300; tries += 1) {
      if (child.exitCode !== null) break;
      try {
        if ((await fetch(`${url}/readyz`)).ok) return;
      } catch {
        // Not yet.
      }
      await new Promise((done) => setTimeout(done, 50));
    }
    throw new Error(`the site does not start: ${log}`);
  };
  const stop = async () => {
    if (child.exitCode !== null) return;
    const ended = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await ended;
  };
  await start();

  /** The server writes something and mails nothing. Every connection has to look into the database's file after that. */
  const writeSomething = async () => {
    const body = JSON.stringify({ email: 'nobody@example.com', password: 'wrong window thursday' });
    await fetch(`${url}/api/auth/log-in`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
  };

  return {
    url,
    /** Addresses of further houses that pages of this one may ask. */
    neighbours: [],
    folder,
    start,
    stop,
    log: () => log,
    /** Runs a command of the program beside the server, and waits until the server knows what it changed. */
    async command(...args) {
      const ran = await promisify(execFile)(PROGRAM, args, { cwd: folder, env });
      await theServerKnows();
      return ran;
    },
    /** Lets everybody's password be given long ago. The program's clock cannot be moved, so the moments in its database are. */
    async letPasswordsGrowOld() {
      const sql = "PRAGMA busy_timeout = 5000; UPDATE sessions SET password_given_at = '2020-01-01T00:00:00.000000Z'";
      await promisify(execFile)('sqlite3', [join(folder, 'data/vestibule.db'), sql]);
      await theServerKnows();
    },
    /** Makes an account beside the server. */
    async addUser(email, name) {
      const adding = promisify(execFile)(PROGRAM, ['user', 'add', email, '--name', name], { cwd: folder, env });
      adding.child.stdin.end(`${PASSWORD}\n`);
      await adding;
    },
    /** A link by which one person may sign up. */
    async invitation() {
      const { stdout } = await promisify(execFile)(PROGRAM, ['user', 'invite'], { cwd: folder, env });
      return `${url}/sign-up${new URL(stdout.trim()).search}`;
    },
    /** Lets the mails to somebody be given up: the development mailbox takes them all. */
    async letMailsDie(recipient) {
      const sql = `PRAGMA busy_timeout = 5000; UPDATE outgoing_mails SET outcome = 'dead', finished_at = COALESCE(finished_at, created_at), attempts = 3, reason = '550 5.1.1 <${recipient}>: Recipient address rejected: there is no such mailbox here' WHERE recipient = '${recipient}'`;
      await promisify(execFile)('sqlite3', [join(folder, 'data/vestibule.db'), sql]);
    },
    /**
     * Takes the database from the running server: `offline`, it cannot be read (503); `broken`, what is read makes no sense
     * (500). Gives a function that starts the server anew with the database as it was. For a house that has not lived long:
     * SQLite has all that is written in one file at first.
     */
    async loseDatabase(how) {
      const log = join(folder, 'data', 'vestibule.db-wal');
      const overwrite = async (bytes) => {
        const file = await open(log, 'r+');
        await file.write(bytes, 0, bytes.length, 0);
        await file.close();
      };
      await writeSomething();
      // The server stands still, so that it writes nothing between two looks at the file.
      child.kill('SIGSTOP');
      const kept = await readFile(log);
      // Nothing can be written either: a write that needs no look at the file, of the mails' worker or from pages that a
      // connection still holds, would let the file grow again with a hole where the rest was, and a hole makes no sense.
      if (how === 'offline') await promisify(execFile)('prlimit', ['--pid', `${child.pid}`, '--fsize=0']);
      await (how === 'offline' ? truncate(log, 0) : overwrite(Buffer.alloc(kept.length, 7)));
      child.kill('SIGCONT');
      return async () => {
        await stop();
        await overwrite(kept);
        await truncate(log, kept.length);
        await start();
      };
    },
    /** The link of the newest mail to somebody with some words in it, and another than `before` where that is named. */
    async mailedLink(to, words, before) {
      for (let tries = 0; tries < 100; tries += 1) {
        const mails = await (await fetch(`${url}/dev/mailbox.json`)).json();
        const mail = mails.find((mail) => mail.to === to && mail.text.includes(words));
        const link = mail?.text.match(/http\S+token=\S+/)[0];
        if (link && link !== before) return link;
        await new Promise((done) => setTimeout(done, 50));
      }
      throw new Error(`no mail to ${to} has the words ${words}`);
    },
    async close() {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
