// Takes the lock of a run directory over from a dead holder, again and again, beside another process that does the same:
//   node run-lock-contender.js FOLDER ROUNDS
import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { takeRunLock } from '../../../dist/migrate/engine/run-lock.js';

const [folder, rounds] = process.argv.slice(2);
const working = join(folder, 'working');

for (let round = 0; round < Number(rounds); round += 1) {
  leaveDeadHolder();
  try {
    const lock = await takeRunLock(folder);
    // Fails when the other process is at work too.
    writeFileSync(working, String(process.pid), { flag: 'wx' });
    await setImmediate();
    rmSync(working);
    await lock.release();
  } catch (error) {
    if (error.code !== 'RUN_LOCKED') throw error;
  }
}
process.stdout.write('alone\n');

function leaveDeadHolder() {
  try {
    symlinkSync(`4194305 1 00000000 1 aaaa ${hostname()}`, join(folder, 'lock.1'));
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
}
