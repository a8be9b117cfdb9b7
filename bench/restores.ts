import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EtcdBinaries } from '../src/etcd/throwaway/binaries.js';
import { createAuthority } from '../src/etcd/throwaway/certificates.js';
import { connect } from '../src/etcd/connect.js';
import { startThrowawayEtcd, type ServerTls, type ThrowawayEtcd } from '../src/etcd/throwaway/throwaway.js';
import { sensuRoot } from '../src/store/sensu-root.js';
import { ferry } from './setup.js';
import { mebibytes, perSecond, type Row } from './table.js';
import { run } from './timing.js';

/** make-mirror needs minutes for the whole store; its rate does not change on the way. */
const mirrorSeconds = 15;

/** A logical restore beside `etcdctl make-mirror`, both into three members with TLS. */
export async function benchRestore(
  source: ThrowawayEtcd,
  snapshot: string,
  binaries: EtcdBinaries,
  folder: string,
): Promise<Row[]> {
  const authority = await createAuthority('sensu-ferry bench CA');
  const tls = { ca: authority.ca, ...(await authority.issueServer(['127.0.0.1'])) };
  const cacert = join(folder, 'ca.crt');
  await writeFile(cacert, authority.ca);
  const mirror = await onFreshTarget(binaries, tls, (target) => mirrorRate(source, target, tls, cacert));
  const own = await onFreshTarget(binaries, tls, async (target) => {
    const endpoints = target.endpoints.join(',');
    const result = await run(
      ferry(
        ...['restore', 'etcd', '--from', snapshot, '--endpoints', endpoints],
        ...['--cacert', cacert, '--yes', '--json'],
      ),
    );
    const report = JSON.parse(result.stdout) as { keys: number; keysPerSecond: number };
    return { ...result, ...report, wholeRate: report.keys / result.seconds };
  });
  const row = (what: string, rate: number): Row => ({
    what,
    ours: `${perSecond(rate)}, ${mebibytes(own.peakMiB)}`,
    peer: perSecond(mirror),
    ratio: (rate / mirror).toFixed(1),
    wanted: '>= 20, < 200 MiB',
  });
  return [
    row('restore etcd, the load / etcdctl make-mirror', own.keysPerSecond),
    row('restore etcd, start to proof / etcdctl make-mirror', own.wholeRate),
  ];
}

async function onFreshTarget<Result>(
  binaries: EtcdBinaries,
  tls: ServerTls,
  work: (target: ThrowawayEtcd) => Promise<Result>,
): Promise<Result> {
  const target = await startThrowawayEtcd({ binaries, members: 3, tls });
  try {
    return await work(target);
  } finally {
    await target.stop();
  }
}

async function mirrorRate(
  source: ThrowawayEtcd,
  target: ThrowawayEtcd,
  tls: ServerTls,
  cacert: string,
): Promise<number> {
  const child = spawn(
    source.binaries.etcdctl,
    [
      `--endpoints=${source.endpoint}`,
      'make-mirror',
      '--prefix=/sensu.io/',
      `--dest-cacert=${cacert}`,
      target.endpoint,
    ],
    { env: { ...process.env, ETCDCTL_API: '3' }, stdio: 'ignore' },
  );
  const exited = once(child, 'exit');
  await sleep(mirrorSeconds * 1000);
  child.kill('SIGTERM');
  await exited;
  const client = await connect({ endpoints: target.endpoints, tls: { ca: tls.ca } });
  const { count } = await client.range({ ...sensuRoot, countOnly: true });
  await client.close();
  return Number(count) / mirrorSeconds;
}
