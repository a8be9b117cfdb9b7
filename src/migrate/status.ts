import { strategyFor } from './copy-strategy.js';
import type { RunState } from './journal.js';
import type { RolledBack } from './run.js';

export function describeRun(run: RunState): string {
  const steps = strategyFor(run.settings).steps.map(({ id }) => {
    const state = run.facts[id] !== undefined ? 'done' : run.started.has(id) ? 'begun' : '-';
    return `  ${id.padEnd(12)}${state}`;
  });
  return [
    `Migration of ${run.settings.backendConfig} to ${run.settings.endpoints.join(', ')}, begun ${run.begunAt}:`,
    ...steps,
    `State: ${standing(run)}`,
    run.lastError === undefined ? undefined : `Last error: ${run.lastError}`,
  ]
    .filter((line) => line !== undefined)
    .join('\n');
}

function standing(run: RunState): string {
  switch (run.outcome) {
    case 'migrated':
      return 'migrated; the backend runs on the external etcd';
    case 'rolled-back':
      return 'rolled back; the backend runs on its embedded store';
    case 'given-up':
      return 'failed and undone; the backend runs on its embedded store';
    case undefined:
      if (run.rollbackBegun) return 'on the way back when it was cut off: roll back now';
      if (run.facts.verify !== undefined) {
        return 'the backend runs on the external etcd, verified; the watch after it failed or was cut off: resume watches again, rollback goes back';
      }
      return run.started.has('stop') && run.facts.start === undefined
        ? 'cut off while the backend was away: resume or roll back now'
        : 'not finished: resume or roll back';
  }
}

export function describeRollback(done: RolledBack): string {
  const lines = [`The backend runs on its embedded store again. The run stays in ${done.runDirectory}.`];
  if (done.servedTarget) {
    lines.push(
      'What the backend wrote to the external etcd since the switch stays there and is not carried back.',
    );
  }
  return lines.join('\n');
}
