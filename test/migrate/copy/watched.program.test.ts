import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { randomBytes } from 'node:crypto';
import { expect, it, onTestFinished } from 'vitest';
import type { MigrationReport } from '../../../src/migrate/report.js';
import { startEtcd } from '../../support/etcd.js';
import { runFerry, startHost } from '../staged-host.js';

const faultAt = (time: Date): string =>
  `${JSON.stringify({
    component: 'apid',
    error: 'internal error: etcdserver: permission denied',
    msg: 'invalid api key',
    time,
  })}\n`;

/** In the time of the watch, whenever that is. */
const fault = faultAt(new Date('2100-01-01T00:00:00Z'));

async function timeOfFailure(runDirectory: string): Promise<Date> {
  const journal = await readFile(join(runDirectory, 'journal.ndjson'), 'utf8');
  const line = journal.split('\n').findLast((each) => each.includes('"failed"'))!;
  return new Date((JSON.parse(line) as { at: string }).at);
}

it('a backend that begins to fail after its start is found out, stays where it is, and can be watched again', async () => {
  const logFile = join(tmpdir(), `sensu-ferry-${randomBytes(6).toString('hex')}.log`);
  onTestFinished(() => rm(logFile, { force: true }));
  await writeFile(logFile, fault);
  const target = await startEtcd({ members: 3, until: 'test' });
  const host = await startHost(target, { watchSeconds: 3, logFile });

  const first = await runFerry(host.args).finished;
  expect(first.stderr).toMatch(/log of the backend: "permission denied" once/);
  expect(first.stderr).toContain(`sensu-ferry migrate rollback --run-dir ${host.runDirectory}`);
  expect(first.code).toBe(1);
  expect(await host.servedStore()).toBe('external');
  const status = await runFerry(['migrate', 'status', '--run-dir', host.runDirectory]).finished;
  expect(status.stdout).toMatch(/verify +done\n +watch +begun/);

  // It goes on after the watch, until somebody removes its cause; then its lines stand in the log as on any host.
  const failedAt = await timeOfFailure(host.runDirectory);
  await writeFile(logFile, faultAt(new Date(failedAt.getTime() + 1)));
  await target.members[2]!.kill();
  const again = await runFerry(['migrate', 'resume', '--run-dir', host.runDirectory, '--yes', '--json'])
    .finished;
  expect(again.stderr).not.toContain('[8/9]');
  const { facts, next } = JSON.parse(again.stdout) as MigrationReport;
  expect(facts.watch!.proofs.map(({ outcome }) => outcome)).toEqual([
    'proven',
    'warning',
    'proven',
    'proven',
    'warning',
  ]);
  expect(next[0]).toContain(target.members[2]!.endpoint);
  expect(again.code).toBe(3);

  const verify = ['migrate', 'verify', '--run-dir', host.runDirectory];
  const later = await runFerry(verify).finished;
  expect(later.stdout).toMatch(/proven +configuration is switched/);
  expect(later.stdout).toMatch(/warning +members of the target: no answer of/);
  expect(later.stdout).toMatch(/warning +log of the backend: "permission denied" once .* before this watch/);
  expect(later.code).toBe(3);
  await writeFile(
    host.settings.backendConfig,
    await readFile(join(host.runDirectory, 'original-backend.yml')),
  );
  const undone = await runFerry(verify).finished;
  expect(undone.stdout).toMatch(/failed +configuration is switched: changed since: no-embed-etcd/);
  expect(undone.code).toBe(13);
}, 120_000);
