import { expect, it } from 'vitest';
import { inspectTarget } from '../../../src/migrate/preflight/target.js';
import type { SourceFacts } from '../../../src/migrate/preflight/source.js';
import { startEtcd } from '../../support/etcd.js';
import { testContext } from '../staged-host.js';

const mib = 1024 * 1024;

it('counts what other programs have in a target that they share', async () => {
  const target = await startEtcd({ until: 'test', quotaBytes: 32 * mib });
  const client = await target.connect();
  const size = BigInt(16 * mib);
  const source: SourceFacts = {
    ...{ etcdClusterId: 1n, etcdMemberId: 1n, etcdVersion: '3.5.16', revision: 1n, keys: 1n },
    ...{ dbSize: size, dbSizeInUse: size, sensuClusterId: 'a', backends: new Set<string>() },
  };
  const look = async (): Promise<string[]> => {
    const wishes = {
      tls: {},
      withoutAuth: false,
      enableAuth: false,
      hasRootPassword: false,
      configOnly: false,
    };
    const { findings } = await inspectTarget(testContext(), client, source, wishes);
    return findings.map(({ code }) => code);
  };
  expect(await look()).not.toContain('TARGET_QUOTA_TOO_SMALL');
  for (let i = 0; i < 12; i += 1) {
    await client.txn({
      writes: [{ type: 'put', key: Buffer.from(`/other/${i}`), value: Buffer.alloc(mib) }],
    });
  }
  await expect.poll(look, { timeout: 60_000 }).toContain('TARGET_QUOTA_TOO_SMALL');
});
