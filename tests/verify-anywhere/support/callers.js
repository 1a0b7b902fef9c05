// Many callers of one verifier at once, as a program with threads has them. PHP has a process for each.

import { copyFileSync, cpSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildGo, Program, PYTHON } from './programs.js';

const CALLERS = join(dirname(fileURLToPath(import.meta.url)), 'callers');
const MANY = 20;

/** How the program with the callers is run, made beside a copy of a language's file. */
const COMMANDS = {
  python(folder) {
    copyFileSync(join(CALLERS, 'callers.py'), join(folder, 'callers.py'));
    return [PYTHON, '-B', join(folder, 'callers.py')];
  },
  node(folder) {
    copyFileSync(join(CALLERS, 'callers.mjs'), join(folder, 'callers.mjs'));
    return [process.execPath, join(folder, 'callers.mjs')];
  },
  go(folder) {
    const inside = join(folder, 'callers');
    cpSync(join(CALLERS, 'callers.go'), join(inside, 'callers.go'));
    cpSync(join(folder, 'go.mod'), join(inside, 'go.mod'));
    // As people do who copy it: `main` is theirs.
    const text = readFileSync(join(folder, 'verify.go'), 'utf8');
    writeFileSync(join(inside, 'verify.go'), text.replace('\nfunc main() {', '\nfunc byHand() {'));
    buildGo(inside);
    return [join(inside, 'verify')];
  },
};

/** Makes the programs with the callers for all copies of `prepare`. Gives a function that starts one. */
export function prepareCallers(programs) {
  const commands = Object.entries(COMMANDS).map(([name, make]) => [name, make(programs.folders[name])]);
  const made = Object.fromEntries(commands);
  let files = 0;

  /** Starts the callers of one verifier with a service key, or without. Ends with `close`. */
  return async function start(name, url, serviceKey = '') {
    const env = { VESTIBULE_SERVICE_KEY: serviceKey };
    if (name !== 'php') {
      const program = new Program(made[name], [url, `${MANY}`], env);
      return {
        /** What each of them is answered who brings a token: `told` or `complaint`, and after how many `milliseconds`. */
        ask: async (token) => (await program.ask(token)).told.map(small),
        close: () => program.close(),
      };
    }
    files += 1;
    const file = join(programs.root, `callers-${files}.json`);
    const processes = Array.from({ length: MANY }, () => programs.startWith(env, name, url, 'token', file));
    // Each has started when it has answered, which is not what is measured.
    await Promise.all(processes.map((program) => program.ask('garbage')));
    return {
      ask: (token) => Promise.all(processes.map(async (program) => {
        const asked = performance.now();
        const answer = await program.ask(token);
        return { ...answer, milliseconds: Math.round(performance.now() - asked) };
      })),
      close: () => Promise.all(processes.map((program) => program.close())),
    };
  };
}

const small = (answer) => ({ ...answer, complaint: answer.complaint?.toLowerCase() });
