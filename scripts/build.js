// Compiles src/ to dist/ from scratch, so that a renamed file leaves no stale twin in the package, and puts it
// in place at once, so that a program that is just being started finds all of it.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

const fresh = `dist.${process.pid}`;
const old = `${fresh}.old`;

/** What the shell says where there is no Node, instead of "exec: node: not found". */
const needsNode = 'sensu-ferry: There is no node on the PATH. Install Node.js 20.19 or newer.';

/**
 * Two lines that sh and JavaScript both read. Node looks for `--env-file` behind the program too, and ends when there
 * is no such file, unless two dashes come before the program; `env -S` would pass them, but not everywhere.
 */
const start = [
  '#!/bin/sh',
  `':' //; command -v node >/dev/null || { echo '${needsNode}' >&2; exit 127; }; exec node -- "$0" "$@"`,
].join('\n');

function makeExecutable(path) {
  const text = readFileSync(path, 'utf8');
  writeFileSync(
    path,
    text.replace(/^#!.*$/m, () => start),
  );
  chmodSync(path, 0o755);
}

try {
  execFileSync(
    process.execPath,
    ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', fresh],
    { stdio: 'inherit' },
  );
  makeExecutable(`${fresh}/cli/main.js`);
  if (existsSync('dist')) renameSync('dist', old);
  renameSync(fresh, 'dist');
} catch (error) {
  // tsc has said what is wrong.
  process.exitCode = 1;
  if (!('status' in error)) throw error;
} finally {
  rmSync(fresh, { recursive: true, force: true });
  rmSync(old, { recursive: true, force: true });
}
