// Takes the lock of a folder again and again, and notes in a file when it had it: for lock.program.test.ts.
//   node lock-contender.js FOLDER LOG ROUNDS HOLD_MS
import { appendFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { takeLock } from '../../../dist/snapshot/keep/lock.js';
import { DirectoryStorage } from '../../../dist/storage/directory.js';

const [folder, log, rounds, holdMs] = process.argv.slice(2);
const context = { clock: { now: () => new Date() }, signal: new AbortController().signal };
const storage = new DirectoryStorage(folder);

for (let won = 0; won < Number(rounds);) {
  try {
    const lock = await takeLock(context, storage);
    appendFileSync(log, `+${process.pid}\n`);
    await setTimeout(Number(holdMs));
    appendFileSync(log, `-${process.pid}\n`);
    await lock.release();
    won += 1;
  } catch (error) {
    if (error.code !== 'LOCKED') throw error;
  }
  await setTimeout(Math.random() * 5);
}
