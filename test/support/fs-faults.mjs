/**
 * Preloaded with `--import` into the program under test: makes it meet a fault at one of its own changes to files.
 * `FERRY_FAULT` holds `{ "at": REGEX, "nth": COUNT, "action": "kill" | "full" | "defect" | "none", "log": FILE }`; the regular
 * expression is tried on lines such as `rename /a/backend.yml`. `kill`: SIGKILL in the middle of that change, with half
 * of the bytes written. `full`: from there on no byte can be written to any file that the expression names the folder
 * of, as on a full disk; names can still be made, changed and removed. `defect`: an error that nobody catches, and a
 * promise that nobody awaits and that fails, as from inside a library.
 */
import { Buffer } from 'node:buffer';
import { appendFileSync, writeSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { dirname } from 'node:path';
import process from 'node:process';

const fault = JSON.parse(process.env['FERRY_FAULT'] ?? 'null');
// The start and stop commands are Node programs too.
const isMine = /(cli\/main\.js|fault-runner\.mjs)$/.test(process.argv[1] ?? '');

if (fault !== null && isMine) {
  const pattern = new RegExp(fault.at);
  const paths = new WeakMap();
  let matches = 0;
  let fullFolder;

  const noSpace = () => Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });

  /** True when the disk is full for this change. */
  const meet = (change, path, half = () => undefined) => {
    if (fault.log !== undefined) appendFileSync(fault.log, `${change} ${path}\n`);
    if (pattern.test(`${change} ${path}`) && ++matches === (fault.nth ?? 1)) {
      half();
      if (fault.action === 'kill') process.kill(process.pid, 'SIGKILL');
      if (fault.action === 'defect') {
        process.nextTick(() => {
          throw new Error('a defect of a library');
        });
        void Promise.reject(new Error('another defect'));
      }
      if (fault.action === 'full') fullFolder = dirname(path);
      return fault.action === 'full' && change === 'write';
    }
    return change === 'write' && fullFolder !== undefined && dirname(path) === fullFolder;
  };

  const halfOf = (handle, data) => () => {
    const bytes = Buffer.from(data);
    writeSync(handle.fd, bytes, 0, Math.floor(bytes.length / 2));
  };

  const { open } = fs;
  fs.open = async (path, ...rest) => {
    const flags = rest[0] ?? 'r';
    if (flags !== 'r' && !String(path).startsWith('/proc')) meet('open', String(path));
    const handle = await open(path, ...rest);
    paths.set(handle, String(path));
    return handle;
  };
  for (const [name, pathOf] of [
    ['rename', (_from, to) => to],
    ['link', (_from, to) => to],
    ['symlink', (_target, path) => path],
    ['rm', (path) => path],
    ['unlink', (path) => path],
    ['chmod', (path) => path],
    ['mkdir', (path) => path],
  ]) {
    const original = fs[name];
    fs[name] = async (...args) => {
      meet(name, String(pathOf(...args)));
      return original(...args);
    };
  }
  const probe = await open('/dev/null');
  const prototype = Object.getPrototypeOf(probe);
  await probe.close();
  for (const [name, change] of [
    ['write', 'write'],
    ['writeFile', 'write'],
    ['sync', 'sync'],
    ['datasync', 'sync'],
    ['chmod', 'chmod'],
    ['truncate', 'truncate'],
  ]) {
    const original = prototype[name];
    prototype[name] = async function (...args) {
      const half = change === 'write' ? halfOf(this, args[0]) : undefined;
      if (meet(change, paths.get(this) ?? '', half)) throw noSpace();
      return original.apply(this, args);
    };
  }
  syncBuiltinESMExports();
}
