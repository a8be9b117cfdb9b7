import { readdir, readFile } from 'node:fs/promises';
import { expect } from 'vitest';
import { missingFrom } from '../../src/demo/writer.js';
import type { StepId } from '../../src/migrate/facts.js';
import { readSecrets } from '../../src/migrate/read-secrets.js';
import type { RunningEtcd } from '../support/etcd.js';
import { faultEnv, type Fault } from './faults.js';
import { runFerry, type Finished, type StagedHost } from './staged-host.js';

/** Steps at which an interruption is tried: every one from the load on changes how things stand. */
export const killedAt: readonly StepId[] = ['load', 'stop', 'difference', 'configure', 'start', 'verify'];

export const migrate = (host: StagedHost, fault: Fault): Promise<Finished> =>
  runFerry(host.args, 'ignore', faultEnv(fault)).finished;

export const again = (host: StagedHost, verb: 'status' | 'resume' | 'rollback'): Promise<Finished> =>
  runFerry(['migrate', verb, '--run-dir', host.runDirectory, ...(verb === 'status' ? [] : ['--yes'])])
    .finished;

export async function nothingIsHalf(host: StagedHost): Promise<void> {
  const names = [...(await readdir(host.staged.directory)), ...(await readdir(host.runDirectory))];
  expect(names.filter((name) => name.endsWith('.part'))).toEqual([]);
}

/** Everything that was acknowledged to the writer. */
export async function everythingArrived(target: RunningEtcd, host: StagedHost): Promise<void> {
  const { root } = await readSecrets(host.settings);
  const client = await target.connect({ credentials: root! });
  expect(await missingFrom(client, await host.writer.stop())).toEqual([]);
}

export async function filesOf(host: StagedHost): Promise<string[]> {
  const { backendConfig, envFile } = host.settings;
  return [await readFile(backendConfig, 'utf8'), await readFile(envFile, 'utf8')];
}
