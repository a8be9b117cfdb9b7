import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { missingFrom } from '../../../src/demo/writer.js';
import { openLiveView } from '../../../src/etcd/live-view.js';
import { readRun } from '../../../src/migrate/engine/journal.js';
import { describePlan, planDocument, planMigration } from '../../../src/migrate/plan.js';
import { readSecrets } from '../../../src/migrate/read-secrets.js';
import { describeReport } from '../../../src/migrate/report.js';
import { rollbackMigration } from '../../../src/migrate/engine/rollback.js';
import { applyMigration } from '../../../src/migrate/engine/run.js';
import { parseEnvironment } from '../../../src/sensu/backend/environment-file.js';
import { createApiClient } from '../../../src/sensu/api/client.js';
import { openStore } from '../../../src/snapshot/open/open.js';
import { digestView } from '../../../src/store/digest.js';
import { singleKey } from '../../../src/store/sensu-root.js';
import { oldestAndNewestEtcd, startEtcd, type RunningEtcd } from '../../support/etcd.js';
import { startHost, testContext, type StagedHost } from '../staged-host.js';

async function migrate(host: StagedHost): ReturnType<typeof applyMigration> {
  const context = testContext();
  const secrets = await readSecrets(host.settings);
  const plan = await planMigration(context, host.settings, secrets, host.runDirectory);
  return applyMigration(context, plan, secrets, 'sensu-ferry test');
}

async function asRoot(target: RunningEtcd, host: StagedHost): ReturnType<RunningEtcd['connect']> {
  const { root } = await readSecrets(host.settings);
  return target.connect({ credentials: root! });
}

describe('migrate embedded-to-external', () => {
  it('carries everything to three members with TLS and auth while a writer writes', async () => {
    const target = await startEtcd({ members: 3, tls: 'client-cert', until: 'test' });
    const host = await startHost(target);
    const before = await filesOf(host);
    const report = await migrate(host);

    const client = await asRoot(target, host);
    expect(await missingFrom(client, await host.writer.stop())).toEqual([]);
    expect(await host.servedStore()).toBe('external');
    const api = createApiClient({ url: host.staged.apiUrl });
    expect(await api.authenticates('alice', 'AlicePass1')).toBe(true);

    expect(report.facts.snapshot.users).toEqual(['admin', 'agent', 'alice', 'bob', 'carol']);
    expect(report.facts.snapshot.apiKeys).toHaveLength(3);
    expect(report.facts.verify.proofs.filter(({ outcome }) => outcome === 'failed')).toEqual([]);
    const outcomes = report.facts.verify.proofs.map(({ what, outcome }) => [what, outcome]);
    expect(outcomes).toContainEqual(['cluster id and a login with an API key', 'proven']);
    expect(outcomes).toContainEqual(['content digest of the target at the switch', 'proven']);

    await configurationIsSwitched(host, before.backendConfig);
    expect((await filesOf(host)).envFile).toBe(before.envFile);
    expect(await client.auth.userRoles('client')).toEqual(['sensu_readwrite']);
    expect(await client.auth.users()).not.toContain('sensu');
    expect(describeReport(report).join('\n')).toContain('Create the user client without a password');
    await nothingSecretIsLeft(host);

    await rollbackMigration(testContext(), host.runDirectory);
    expect(await host.servedStore()).toBe('embedded');
    expect(await filesOf(host)).toEqual(before);
  }, 300_000);

  it.each(oldestAndNewestEtcd)(
    'moves to etcd %s without TLS',
    async (version) => {
      const target = await startEtcd({ version, until: 'test' });
      const host = await startHost(target);
      const before = await readFile(host.settings.backendConfig, 'utf8');
      const report = await migrate(host);
      expect(report.facts.verify.proofs.filter(({ outcome }) => outcome === 'failed')).toEqual([]);
      const client = await asRoot(target, host);
      expect(await missingFrom(client, await host.writer.stop())).toEqual([]);
      expect((await readRun(host.runDirectory)).outcome).toBe('migrated');
      await configurationIsSwitched(host, before);
      await passwordIsInEnvironment(host);
      await nothingSecretIsLeft(host);
    },
    300_000,
  );

  it('goes back on the untouched embedded store when it is asked to', async () => {
    const target = await startEtcd({ until: 'test' });
    const host = await startHost(target);
    const before = await filesOf(host);
    await migrate(host);
    expect(await host.servedStore()).toBe('external');
    const done = await rollbackMigration(testContext(), host.runDirectory);
    expect(done.servedTarget).toBe(true);
    expect(await host.servedStore()).toBe('embedded');
    expect(await filesOf(host)).toEqual(before);
    expect((await readRun(host.runDirectory)).outcome).toBe('rolled-back');
  }, 300_000);

  it('starts the backend again on its embedded store when the target dies after the stop', async () => {
    const target = await startEtcd({ until: 'test' });
    const host = await startHost(target);
    const before = await filesOf(host);
    const { stopCommand } = host.settings;
    const killing = `${stopCommand}; kill -9 ${target.members[0]!.pid!}`;
    const failing = { ...host, settings: { ...host.settings, stopCommand: killing } };
    await expect(migrate(failing)).rejects.toMatchObject({ kind: 'unreachable' });
    expect(await host.servedStore()).toBe('embedded');
    expect(await filesOf(host)).toEqual(before);
    expect((await readRun(host.runDirectory)).outcome).toBe('given-up');
  }, 300_000);

  it('puts the old configuration back when the backend refuses the new store', async () => {
    const target = await startEtcd({ until: 'test' });
    const host = await startHost(target, { startTimeoutSeconds: 30 });
    const before = await filesOf(host);
    // Of the two starts the first fails, as that of a backend whose grants do not suffice.
    const mark = join(host.folder, 'first-start');
    await writeFile(mark, '');
    const startCommand = `rm '${mark}' 2>/dev/null || ${host.settings.startCommand}`;
    const failing = { ...host, settings: { ...host.settings, startCommand } };
    await expect(migrate(failing)).rejects.toMatchObject({ code: 'BACKEND_NOT_ANSWERING' });
    expect(await host.servedStore()).toBe('embedded');
    expect(await filesOf(host)).toEqual(before);
  }, 300_000);

  it('loses nothing when the stop command kills the backend instead of stopping it', async () => {
    const target = await startEtcd({ until: 'test' });
    // It writes nothing into its db file of its own accord, so that a kill is sure to leave the last writes in the WAL.
    const host = await startHost(target, {}, [
      '--backend-batch-interval=1h',
      '--backend-batch-limit=1000000',
    ]);
    const killing = `kill -9 "$(cat '${host.staged.directory}/etcd-pid')"; ${host.settings.stopCommand}`;
    const report = await migrate({ ...host, settings: { ...host.settings, stopCommand: killing } });
    const client = await asRoot(target, host);
    expect(await missingFrom(client, await host.writer.stop())).toEqual([]);
    expect(report.facts.difference.walEntries).toBeGreaterThan(0);
  }, 300_000);

  it('refuses a target with another store, and leaves both alone', async () => {
    const target = await startEtcd({ until: 'test' });
    const client = await target.connect();
    const key = Buffer.from('/sensu.io/cluster_id');
    await client.txn({ writes: [{ type: 'put', key, value: Buffer.from('somebody else') }] });
    const host = await startHost(target);
    await expect(migrate(host)).rejects.toMatchObject({ kind: 'refused', code: 'TARGET_NOT_EMPTY' });
    expect(await host.servedStore()).toBe('embedded');
    expect((await client.range(singleKey(key))).entries[0]?.value.toString()).toBe('somebody else');
    await expect(stat(host.runDirectory)).rejects.toMatchObject({ code: 'ENOENT' });
  }, 300_000);

  it('refuses an embedded cluster, and says what works instead', async () => {
    const source = await startEtcd({ members: 3, until: 'test' });
    const target = await startEtcd({ until: 'test' });
    const host = await startHost(target, { sourceEndpoints: [...source.endpoints] });
    await expect(migrate(host)).rejects.toMatchObject({
      kind: 'refused',
      code: 'SOURCE_IS_CLUSTER',
      hint: expect.stringContaining('restore etcd') as string,
    });
  }, 300_000);

  it('plans without changing anything, and finds everything at once', async () => {
    const target = await startEtcd({ until: 'test', quotaBytes: 2 * 1024 * 1024 });
    const host = await startHost(target);
    const before = await filesOf(host);
    await writeFile(host.settings.sensuPasswordFile!, 'open', { mode: 0o644 });
    const secrets = await readSecrets(host.settings);
    const plan = await planMigration(testContext(), host.settings, secrets, host.runDirectory);
    const codes = plan.findings.map(({ code }) => code);
    expect(codes).toEqual(expect.arrayContaining(['TARGET_QUOTA_TOO_SMALL', 'COMPACTION']));
    // Of a plan that is refused, a downtime would be told that never comes.
    expect(describePlan(plan).join('\n')).not.toContain('will be away');
    expect(planDocument(plan)).toMatchObject({ downtimeSeconds: null });
    expect(plan.grants).toContain('Grant sensu_readwrite read /sensu.io');
    expect(await filesOf(host)).toEqual(before);
    const client = await target.connect();
    expect((await client.range({ start: Buffer.from([0]), countOnly: true })).count).toBe(0n);
    expect(await client.auth.users()).toEqual([]);
  }, 300_000);

  it('gives the stopped store and the target the same digest', async () => {
    const target = await startEtcd({ until: 'test' });
    const host = await startHost(target);
    const report = await migrate(host);
    const stopped = await openStore(host.staged.dataDirectory, testContext());
    const client = await asRoot(target, host);
    const live = await openLiveView(client, BigInt(report.facts.difference.targetRevision) as never);
    const wanted = await digestView(stopped);
    stopped.close();
    expect((await digestView(live)).lasting).toBe(wanted.lasting);
    expect(report.facts.verify.digest).toEqual(wanted);
  }, 300_000);
});

async function filesOf(host: StagedHost): Promise<{ backendConfig: string; envFile: string }> {
  return {
    backendConfig: await readFile(host.settings.backendConfig, 'utf8'),
    envFile: await readFile(host.settings.envFile, 'utf8'),
  };
}

async function configurationIsSwitched(host: StagedHost, before: string): Promise<void> {
  const after = await readFile(host.settings.backendConfig, 'utf8');
  expect(parse(after)).toMatchObject({
    'no-embed-etcd': true,
    'etcd-client-urls': host.settings.endpoints,
    ...(host.settings.tls.cacert !== undefined && { 'etcd-trusted-ca-file': host.settings.tls.cacert }),
    'etcd-name': 'backend-1',
  });
  expect(after).toContain('# available log levels: panic, fatal, error, warn, info, debug');
  const kept = (await readdir(host.staged.directory)).filter((name) => name.endsWith('.bak'));
  const old = kept.find((name) => name.startsWith('backend.yml'))!;
  expect(await readFile(join(host.staged.directory, old), 'utf8')).toBe(before);
}

async function passwordIsInEnvironment(host: StagedHost): Promise<void> {
  const environment = await readFile(host.settings.envFile, 'utf8');
  expect(environment).toContain('SLACK_CHANNEL="#monitoring"');
  const { sensu } = await readSecrets(host.settings);
  expect(parseEnvironment(environment).get('SENSU_BACKEND_ETCD_CLIENT_PASSWORD')).toBe(sensu!.password);
  expect((await stat(host.settings.envFile)).mode & 0o777).toBe(0o600);
  const kept = (await readdir(host.staged.directory)).filter((name) => name.endsWith('.bak'));
  expect(kept).toHaveLength(2);
}

/** Passwords and API keys are in no file of the run but the archive, which is 0600. */
async function nothingSecretIsLeft(host: StagedHost): Promise<void> {
  const journal = await readFile(join(host.runDirectory, 'journal.ndjson'), 'utf8');
  const { root, sensu, apiKey } = await readSecrets(host.settings);
  for (const secret of [root!.password, ...(sensu ? [sensu.password] : []), apiKey!]) {
    expect(journal.includes(JSON.stringify(secret).slice(1, -1))).toBe(false);
  }
  for (const name of await readdir(host.runDirectory)) {
    expect((await stat(join(host.runDirectory, name))).mode & 0o077).toBe(0);
  }
}
