import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { EtcdClient } from '../../../src/etcd/client.js';
import { connect } from '../../../src/etcd/connect.js';
import { readRun } from '../../../src/migrate/engine/journal.js';
import { readSecrets } from '../../../src/migrate/read-secrets.js';
import { createApiClient } from '../../../src/sensu/api/client.js';
import { openStore } from '../../../src/snapshot/open/open.js';
import { prefixRange, sensuRoot, singleKey } from '../../../src/store/sensu-root.js';
import type { LeaseId, StoreEntry } from '../../../src/store/view.js';
import { startEtcd, type RunningEtcd } from '../../support/etcd.js';
import { runFerry, startHost, testContext, untilJournalled, type StagedHost } from '../staged-host.js';

const longTest = 300_000;

/** Written down anew rather than taken from the program. */
const left = ['events', 'keepalives', 'switchsets', 'rings', 'queue', 'backends', 'user_sessions'].map(
  (name) => `/sensu.io/${name}/`,
);

const silence = { key: Buffer.from('/sensu.io/silenced/default/entity:old:*'), lease: 77n as LeaseId };
const unknown = Buffer.from('/sensu.io/of-tomorrow/thing');
const template = Buffer.from('/sensu.io/resource_templates/changing');

/** What a store may have that the recorded one has not. */
async function addOddities(host: StagedHost): Promise<void> {
  const client = await connect({ endpoints: [host.staged.clientUrl] });
  await client.grantLease({ id: silence.lease, ttl: 3600n });
  const put = (key: Buffer, lease?: LeaseId) =>
    ({ type: 'put', key, value: Buffer.from('x'), lease }) as const;
  await client.txn({
    writes: [
      put(silence.key, silence.lease),
      put(unknown),
      put(Buffer.from('/sensu.io/keepalives/backend-1/default/dead-agent')),
      put(Buffer.from('/sensu.io/user_sessions/admin/0123456789abcdef')),
    ],
  });
  await client.close();
}

/** Counts in one key of the configuration until the store goes away; resolves with what was acknowledged last. */
async function keepCounting(host: StagedHost): Promise<() => Promise<number>> {
  const client = await connect({ endpoints: [host.staged.clientUrl], deadlineMs: 2000 });
  let acknowledged = 0;
  const work = (async () => {
    for (let count = 1; ; count += 1) {
      const value = Buffer.from(String(count));
      await client.txn({ writes: [{ type: 'put', key: template, value }] });
      acknowledged = count;
    }
  })().catch(() => client.close());
  await expect.poll(() => acknowledged).toBeGreaterThan(0);
  return () => work.then(() => acknowledged);
}

async function rootClient(target: RunningEtcd, host: StagedHost): Promise<EtcdClient> {
  const { root } = await readSecrets(host.settings);
  return target.connect({ credentials: root! });
}

async function everyEntry(host: StagedHost): Promise<readonly StoreEntry[]> {
  const stopped = await openStore(host.staged.dataDirectory, testContext());
  try {
    const entries: StoreEntry[] = [];
    for await (const batch of stopped.entries(sensuRoot)) entries.push(...batch);
    return entries;
  } finally {
    stopped.close();
  }
}

/** Key by key against the stopped store. */
async function configurationAloneArrived(client: EtcdClient, host: StagedHost): Promise<void> {
  const wrong: string[] = [];
  for (const { key, value } of await everyEntry(host)) {
    const name = key.toString();
    const found = (await client.range(singleKey(key))).entries[0];
    const isLeft = left.some((prefix) => name.startsWith(prefix));
    // The double's agents come back, as real ones do.
    if (isLeft && name.startsWith('/sensu.io/switchsets/')) continue;
    if (isLeft ? found !== undefined : found?.value.equals(value) !== true) wrong.push(name);
  }
  expect(wrong).toEqual([]);
}

describe('migrate embedded-to-external --config-only', () => {
  it(
    'carries the configuration with passwords and API keys, and says by name what a dump would have lost',
    async () => {
      const target = await startEtcd({ members: 3, tls: 'client-cert', until: 'test' });
      const host = await startHost(target, { configOnly: true });
      await addOddities(host);
      const lastCount = await keepCounting(host);
      const apiKey = await readFile(host.settings.apiKeyFile, 'utf8');

      const planned = await runFerry([...host.args, '--plan', '--json']).finished;
      expect(planned.code).toBe(3);
      const plan = JSON.parse(planned.stdout) as { findings: { code: string; sentence: string }[] };
      const said = new Map(plan.findings.map(({ code, sentence }) => [code, sentence]));
      expect(said.get('STATE_STAYS_BEHIND')).toMatch(
        /: events \([\d,]+\), records of agents that are down \(1\).*, sessions \(5\) stay behind/,
      );
      expect(said.get('AGENTS_ARE_DOWN')).toContain('default/dead-agent');
      const secrets = said.get('SECRETS_OF_NO_DUMP')!;
      for (const user of ['admin', 'agent', 'alice', 'bob', 'carol']) expect(secrets).toContain(user);
      expect(secrets).toContain(`…${apiKey.slice(-4)} of `);

      const done = await runFerry(host.args).finished;
      expect(done).toMatchObject({ code: 3 });
      expect(done.stderr).toContain('SECRETS_OF_NO_DUMP');
      expect(done.stdout).toMatch(/Stayed behind:\n.*\/sensu\.io\/backends\/\n.*\/sensu\.io\/events\//);
      expect(done.stdout).toMatch(/proven +configuration as the API shows it: \d+ resources are there\n/);
      expect(done.stdout).toMatch(/proven +content digest of the target at the switch/);
      expect(planned.stdout + done.stdout + done.stderr).not.toContain(apiKey);

      expect(await host.servedStore()).toBe('external');
      const client = await rootClient(target, host);
      await configurationAloneArrived(client, host);
      const count = Number((await client.range(singleKey(template))).entries[0]!.value);
      const acknowledged = await lastCount();
      // The answer to one more may have been lost with the store.
      expect([acknowledged, acknowledged + 1]).toContain(count);
      expect((await client.range(singleKey(silence.key))).entries[0]!.lease).toBe(silence.lease);
      const api = createApiClient({ url: host.staged.apiUrl, apiKey });
      expect(await api.authenticates('alice', 'AlicePass1')).toBe(true);
      await api.clusterId();
    },
    longTest,
  );

  it(
    'goes on with the configuration alone after a kill in the downtime',
    async () => {
      const target = await startEtcd({ until: 'test' });
      const host = await startHost(target, { configOnly: true });
      const { child, finished } = runFerry(host.args);
      await untilJournalled(host.runDirectory, 'stop');
      child.kill('SIGKILL');
      await finished;
      const resumed = await runFerry(['migrate', 'resume', '--run-dir', host.runDirectory, '--yes']).finished;
      expect(resumed).toMatchObject({ code: 3 });
      expect(resumed.stdout).toContain('Stayed behind:');
      expect((await readRun(host.runDirectory)).outcome).toBe('migrated');
      await configurationAloneArrived(await rootClient(target, host), host);
    },
    longTest,
  );

  it(
    'takes away what an earlier migration of the whole store has left, events too',
    async () => {
      const target = await startEtcd({ until: 'test' });
      const host = await startHost(target);
      const full = await runFerry(host.args).finished;
      expect(full).toMatchObject({ code: 3 });
      const back = await runFerry(['migrate', 'rollback', '--run-dir', host.runDirectory, '--yes']).finished;
      expect(back).toMatchObject({ code: 3 });
      const client = await rootClient(target, host);
      const events = prefixRange(Buffer.from('/sensu.io/events/'));
      expect((await client.range({ ...events, countOnly: true })).count).toBeGreaterThan(0n);

      const runDirectory = `${host.runDirectory}-2`;
      const args = host.args.map((arg) => (arg === host.runDirectory ? runDirectory : arg));
      const done = await runFerry([...args, '--config-only']).finished;
      expect(done).toMatchObject({ code: 3 });
      expect(done.stderr).toContain('TARGET_HOLDS_EARLIER_COPY');
      expect((await client.range({ ...events, countOnly: true })).count).toBe(0n);
      await configurationAloneArrived(client, host);
    },
    longTest,
  );
});
