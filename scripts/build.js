// Compiles src/ to dist/ from scratch, so that a renamed file leaves no stale twin in the package, and puts it
// in place at once, so that a program that is just being started finds all of it.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs';

const fresh = `dist.${process.pid}`;
const old = `${fresh}.old`;
try {
  execFileSync(
    process.execPath,
    ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', fresh],
    { stdio: 'inherit' },
  );
  chmodSync(`${fresh}/cli/main.js`, 0o755);
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
