import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSecrets } from '../../../src/migrate/read-secrets.js';
import { startEtcd } from '../../support/etcd.js';
import { faultEnv, type Fault } from '../faults.js';
import { again, everythingArrived, filesOf } from '../interruptions.js';
import { runFerry, startHost, untilJournalled, type StagedHost } from '../staged-host.js';

const longTest = 300_000;

describe('a migration that was cut off', () => {
  it(
    'after the backend had begun to work on the target is not set back to the stopped store',
    async () => {
      const target = await startEtcd({ until: 'test' });
      const host = await startHost(target);
      const { child, finished } = runFerry(host.args);
      await untilJournalled(host.runDirectory, 'start', 'done');
      child.kill('SIGKILL');
      await finished;
      // As if it had been killed before it could write that the backend was up.
      await dropLastLines(host);
      const { root } = await readSecrets(host.settings);
      const client = await target.connect({ credentials: root! });
      const key = Buffer.from('/sensu.io/events/default/written-since/check-demo');
      await client.txn({ writes: [{ type: 'put', key, value: Buffer.from('by the backend') }] });
      const resumed = await again(host, 'resume');
      expect(resumed.code, resumed.stderr).toBe(3);
      expect(await host.servedStore()).toBe('external');
      const { entries } = await client.range({ start: key, end: Buffer.concat([key, Buffer.of(0)]) });
      expect(entries[0]?.value.toString()).toBe('by the backend');
      await everythingArrived(target, host);
    },
    longTest,
  );

  it(
    'on its way back is not gone on with, but walked back to its end',
    async () => {
      const target = await startEtcd({ until: 'test' });
      const host = await startHost(target);
      const before = await filesOf(host);
      const fault: Fault = { at: 'rename .*/backend\\.yml$', action: 'kill' };
      expect((await runFerry(host.args).finished).code).toBe(3);
      const args = ['migrate', 'rollback', '--run-dir', host.runDirectory, '--yes'];
      expect((await runFerry(args, 'ignore', faultEnv(fault)).finished).code).toBeNull();
      const resumed = await again(host, 'resume');
      expect(resumed).toMatchObject({
        code: 14,
        stderr: expect.stringContaining('ROLLBACK_BEGUN') as string,
      });
      expect((await again(host, 'status')).stdout).toContain('roll back now');
      expect((await again(host, 'rollback')).code).toBe(3);
      expect(await host.servedStore()).toBe('embedded');
      expect(await filesOf(host)).toEqual(before);
    },
    longTest,
  );

  it(
    'by Ctrl-C twice and a lost terminal still brings the backend back',
    async () => {
      const target = await startEtcd({ until: 'test' });
      const host = await startHost(target);
      const before = await filesOf(host);
      const { child, finished } = runFerry(host.args);
      await untilJournalled(host.runDirectory, 'difference');
      child.kill('SIGINT');
      await untilJournalled(host.runDirectory, 'difference', 'failed');
      child.kill('SIGINT');
      child.kill('SIGHUP');
      const { code, stderr } = await finished;
      expect(code, stderr).toBe(130);
      expect(stderr).toContain('The backend runs on its embedded store');
      expect(await host.servedStore()).toBe('embedded');
      expect(await filesOf(host)).toEqual(before);
    },
    longTest,
  );
});

/** Takes away what the journal says from the end of the start on. */
async function dropLastLines(host: StagedHost): Promise<void> {
  const path = join(host.runDirectory, 'journal.ndjson');
  const lines = (await readFile(path, 'utf8')).split('\n');
  const end = lines.findIndex((line) => line.includes('"done"') && line.includes('"step":"start"'));
  await writeFile(path, `${lines.slice(0, end).join('\n')}\n`);
}
