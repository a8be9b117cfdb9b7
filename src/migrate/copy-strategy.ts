import { configureStep } from './steps/configure.js';
import { differenceStep } from './steps/difference.js';
import { grantsStep } from './steps/grants.js';
import { loadStep } from './steps/load.js';
import { snapshotStep } from './steps/snapshot.js';
import { startStep } from './steps/start.js';
import { stopStep } from './steps/stop.js';
import { verifyStep } from './steps/verify.js';
import type { Strategy } from './strategy.js';

/** Load while the backend runs, stop it, carry over the difference, switch. See docs/decisions/0001. */
export const copyStrategy: Strategy = {
  name: 'copy',
  steps: [snapshotStep, grantsStep, loadStep, stopStep, differenceStep, configureStep, startStep, verifyStep],
  pointOfNoReturn: 'verify',
};
