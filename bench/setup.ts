import { fileURLToPath } from 'node:url';
import type { Context } from '../src/core/context.js';
import { compareVersions, findEtcdBinaries, type EtcdBinaries } from '../src/etcd/throwaway/binaries.js';
import type { ConnectOptions } from '../src/etcd/connect-options.js';
import { connect } from '../src/etcd/connect.js';
import { planLoad } from '../src/copy/load-plan.js';
import { applyLoad } from '../src/copy/load.js';
import { createProcessRunner } from '../src/host/process-runner.js';
import type { StoreView } from '../src/store/view.js';
import type { Command } from './timing.js';

const program = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

/** The built program, as users have it. */
export const ferry = (...args: readonly string[]): Command => ({
  program: process.execPath,
  args: [program, ...args],
});

export const quiet: Context = {
  signal: new AbortController().signal,
  clock: { now: () => new Date() },
  report: { info: () => undefined, warn: () => undefined, progress: () => undefined },
  env: process.env,
  processes: createProcessRunner(process.env),
};

/** The oldest release from 3.5 on: it has etcdutl, and is what Sensu is tested against. */
export async function benchBinaries(): Promise<EtcdBinaries & { readonly etcdutl: string }> {
  const found = await findEtcdBinaries(process.env);
  const chosen = found.find(({ version }) => compareVersions(version, '3.5.0') >= 0);
  if (chosen?.etcdutl === undefined) throw new Error('The benchmark needs etcd 3.5 or newer with etcdutl.');
  return { ...chosen, etcdutl: chosen.etcdutl };
}

/** Puts a generated store into a running etcd. */
export async function fill(options: ConnectOptions, store: StoreView): Promise<void> {
  const client = await connect(options);
  await applyLoad(quiet, client, store, await planLoad(quiet, client, store), client.keepLeases());
  await client.close();
}
