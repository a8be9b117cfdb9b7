import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { extract } from 'tar';
import { expect, it, onTestFinished } from 'vitest';
import type { Context } from '../../../src/core/context.js';
import type { MigrationSource } from '../../../src/migrate/source.js';
import { stopStep } from '../../../src/migrate/copy/stop.js';
import type { StepContext } from '../../../src/migrate/engine/strategy.js';

const recorded = fileURLToPath(
  new URL('../../../fixtures/cluster3-6.12.0/stopped/backend-1.tar.gz', import.meta.url),
);

/** A backend whose locks are not seen from here, as in another container, and that goes some time after its stop. */
it('the backend counts as stopped when nothing answers any more, whatever the locks say', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-stop-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await extract({ file: recorded, cwd: folder });
  const server = net.createServer((socket) => socket.on('error', () => undefined));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  let isUp = true;
  const stopped = Promise.resolve({ exitCode: 0, stdout: '', stderr: '' });
  const context: Context = {
    signal: new AbortController().signal,
    clock: { now: () => new Date() },
    report: { info: () => undefined, warn: () => undefined, progress: () => undefined },
    env: {},
    processes: {
      run: () => stopped,
      shell: () => {
        setTimeout(() => {
          isUp = false;
          server.close();
        }, 700);
        return stopped;
      },
    },
  };
  const source: MigrationSource = {
    ...{ endpoints: [`http://127.0.0.1:${port}`], tls: {}, dataDirectory: join(folder, 'etcd') },
    ...{ apiUrl: '', apiCa: undefined, findings: [] },
  };
  const settings = { stopCommand: 'stop', startCommand: 'start' } as StepContext['settings'];
  await stopStep.run({ context, settings, source } as StepContext);
  expect(isUp).toBe(false);
});
