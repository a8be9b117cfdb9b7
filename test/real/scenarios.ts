import { loginForms } from './external-etcd.js';
import { grants } from './grants.js';
import { heldLeases } from './held-leases.js';
import { migration } from './migrations.js';
import type { SuiteOptions } from './options.js';
import { printedChecks } from './printed-checks.js';
import { resources } from './resources.js';
import type { Scenario } from './scenario.js';

/** Everything that the suite can run, in its order. */
export function scenarios({ etcd }: SuiteOptions): readonly Scenario[] {
  const onEach = etcd.flatMap((binaries) => [
    grants(binaries),
    heldLeases(binaries),
    ...loginForms.map((form) => migration(binaries, form, 'straight')),
    migration(binaries, 'certificate', 'resumed'),
    migration(binaries, 'certificate', 'rolled-back'),
  ]);
  return [resources, printedChecks, ...onEach];
}
