import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { EtcdClient } from '../../src/etcd/client.js';
import { encodeResource } from '../../src/sensu/resources/encode-resource.js';
import { startEtcd } from '../support/etcd.js';
import { expectFailure, startFerry, testFolder, type RunningFerry } from '../support/ferry.js';

const checks = 20_000;
const nameOf = (index: number): string => `check-${String(index).padStart(6, '0')}`;

/** Large enough that neither pages that are asked for in advance nor pipes hold the rest of it. */
async function write(client: EtcdClient, indexes: readonly number[], word: string): Promise<void> {
  for (let from = 0; from < indexes.length; from += 100) {
    const pairs = indexes.slice(from, from + 100).flatMap((index) =>
      encodeResource({
        ...{ type: 'CheckConfig', apiVersion: 'core/v2' },
        metadata: { name: nameOf(index), namespace: 'default' },
        spec: { command: `${word} ${'x'.repeat(1000)}` },
      })!,
    );
    await client.txn({ writes: pairs.map((pair) => ({ type: 'put', ...pair })) });
  }
}

async function largeStore(): Promise<{ readonly client: EtcdClient; readonly args: readonly string[] }> {
  const etcd = await startEtcd({ until: 'test' });
  const client = await etcd.connect();
  await write(client, [...Array(checks).keys()], 'before');
  return { client, args: ['dump', '--endpoints', etcd.endpoint, '--types', 'checks'] };
}

/** As a backend writes, and its etcd compacts. */
async function changeAndCompact(client: EtcdClient): Promise<void> {
  await write(client, [0, checks - 1], 'after');
  const { revision } = await client.range({ start: Buffer.from('x'), limit: 1 });
  await client.compact(revision);
}

async function untilBegun(path: string, { child }: RunningFerry): Promise<void> {
  while (!existsSync(path) || statSync(path).size === 0) {
    if (child.exitCode !== null) throw new Error(`It has ended, and never written to ${path}.`);
    await sleep(1);
  }
}

const count = (dump: string): number => dump.match(/^type: CheckConfig$/gm)!.length;

/** The trap: half of the file would be of one revision and half of another, or there would be none, every night. */
it('a dump to a file begins again when etcd compacts its revision away', async () => {
  const { client, args } = await largeStore();
  const folder = await testFolder();
  const output = join(folder, 'dump.yml');
  const running = startFerry([...args, '--output', output]);
  await untilBegun(`${output}.part`, running);
  running.child.kill('SIGSTOP');
  await changeAndCompact(client);
  running.child.kill('SIGCONT');
  const ended = await running.finished;
  expect(ended.stderr).toMatch(/has compacted the revision .* It is read again at a newer one\./);
  expect(ended.code).toBe(0);
  const dump = readFileSync(output, 'utf8');
  expect(count(dump)).toBe(checks);
  expect(dump.match(/command: after/g)).toHaveLength(2);
  expect(readdirSync(folder)).toEqual(['dump.yml']);
});

it('a dump to standard output, which cannot be taken back, ends with what to do', async () => {
  const { client, args } = await largeStore();
  const running = startFerry(args);
  const { stdout } = running.child;
  await new Promise<void>((resolve) => {
    stdout!.once('data', () => {
      stdout!.pause();
      resolve();
    });
  });
  await changeAndCompact(client);
  stdout!.resume();
  const ended = await running.finished;
  expectFailure(ended, 1, 'DUMP_BROKEN_OFF');
  expect(ended.stderr).toContain('Use --output FILE');
  expect(count(ended.stdout)).toBeLessThan(checks);
});
