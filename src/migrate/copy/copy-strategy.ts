import { formatDuration } from '../../core/units.js';
import type { RecordedSettings } from '../settings.js';
import { configureStep } from './configure.js';
import { differenceStep } from './difference.js';
import { grantsStep } from './grants.js';
import { loadStep } from './load.js';
import { snapshotStep } from './snapshot.js';
import { startStep } from './start.js';
import { stopStep } from './stop.js';
import { verifyStep } from './verify.js';
import { watchStep } from './watch.js';
import type { Step, Strategy } from '../engine/strategy.js';

/** Load while the backend runs, stop it, carry over the difference, switch. See docs/decisions/0001. */
const copyStrategy: Strategy = {
  steps: [snapshotStep, grantsStep, loadStep, stopStep, differenceStep, configureStep, startStep, verifyStep],
  pointOfNoReturn: 'verify',
};

/** The same steps see nothing but the configuration of both stores. See docs/decisions/0013. */
const configurationStrategy: Strategy = {
  ...copyStrategy,
  steps: [
    snapshotStep,
    grantsStep,
    {
      ...loadStep,
      title: 'Load the configuration of the snapshot into the target and compare the content digests',
      changes: 'writes namespaces, users, API keys, roles, checks and whatever else is configuration',
    },
    stopStep,
    {
      ...differenceStep,
      title: 'Carry over what changed in the configuration since, from the stopped data directory',
    },
    configureStep,
    startStep,
    {
      ...verifyStep,
      title: 'Verify: content digest, cluster id, a login, and each resource as the API shows it',
    },
  ],
};

export function strategyFor({
  configOnly,
  auth,
  watchSeconds,
}: Pick<RecordedSettings, 'configOnly' | 'auth' | 'watchSeconds'>): Strategy {
  const strategy = configOnly ? configurationStrategy : copyStrategy;
  const steps =
    auth === 'password' ? strategy.steps : strategy.steps.map((step) => withoutPassword(step, auth));
  if (watchSeconds === 0) return { ...strategy, steps };
  const title = `Watch for ${formatDuration(watchSeconds * 1000)}`;
  return { ...strategy, steps: [...steps, { ...watchStep, title: `${title}: ${watchStep.title}` }] };
}

/** What a login without a password leaves alone. */
function withoutPassword(step: Step, auth: 'certificate' | 'none'): Step {
  if (step.id === 'configure') {
    return {
      ...step,
      title: 'Switch backend.yml to the external etcd',
      changes: 'rewrites it; the old one is kept beside it and in the run directory',
    };
  }
  return step.id === 'grants' && auth === 'none'
    ? { ...step, title: 'Leave users, grants and auth of the target alone', changes: 'nothing' }
    : step;
}
