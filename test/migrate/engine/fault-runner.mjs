/** Runs the step that switches the files, and after a failure its way back: `fault-runner.mjs JSON-OF-THE-STEP`. */
import process from 'node:process';
import { configureStep } from '../../../dist/migrate/copy/configure.js';

const step = JSON.parse(process.argv[2]);
step.context = { clock: { now: () => new Date('2026-11-23T10:11:12Z') } };
try {
  await configureStep.run(step);
} catch (error) {
  process.stdout.write(`${error.name} ${error.code}\n`);
  await configureStep.undo(step);
}
