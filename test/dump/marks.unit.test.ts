import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { framings } from '../../src/dump/framing.js';
import { MarkReader } from '../../src/dump/marks.js';
import { StreamOutput, type ByteSink } from '../../src/dump/write/output.js';
import { readDump } from '../../src/dump/read/read-dump.js';
import { silentContext } from '../support/silent-context.js';
import { failureOf } from '../support/ferry-error.js';
import { allRun } from '../support/runs.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-marks-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function namesIn(dump: string): Promise<{ readonly names: string[]; readonly warnings: number }> {
  const path = join(folder, 'dump.yml');
  await writeFile(path, dump);
  const context = silentContext();
  const names: string[] = [];
  for await (const { name } of readDump(path, context)) names.push(name);
  return { names, warnings: context.warnings.length };
}

const check = (name: string): string =>
  `type: CheckConfig\napi_version: core/v2\nmetadata:\n  name: ${name}\n  namespace: default\nspec:\n  interval: 60\n`;

async function dumpOf(names: readonly string[]): Promise<string> {
  const parts: Buffer[] = [];
  const sink: ByteSink = {
    write: (bytes) => Promise.resolve(void parts.push(bytes)),
    finish: () => Promise.resolve(),
    abandon: () => Promise.resolve(),
    isOut: false,
  };
  const output = new StreamOutput(sink, framings.yaml);
  for (const name of names) await output.write(check(name));
  await output.finish();
  return Buffer.concat(parts).toString();
}

describe('a dump with marks', () => {
  test('is read like one without', async () => {
    const dump = await dumpOf(['a', 'b']);
    expect(dump).toBe(
      `# Dump by sensu-ferry. It is whole if its last line says "End of dump".\n${check('a')}---\n${check('b')}# End of dump: 2 resources.\n`,
    );
    expect(await namesIn(dump)).toEqual({ names: ['a', 'b'], warnings: 0 });
    expect((await namesIn(await dumpOf(['a']))).names).toEqual(['a']);
    expect(await failureOf(namesIn(await dumpOf([])))).toMatchObject({ code: 'DUMP_EMPTY' });
  });

  /** The trap: a dump that is cut between two lines is whole YAML, and half of the resources are restored. */
  test('is refused wherever it is cut', async () => {
    const dump = await dumpOf(['a', 'b', 'c']);
    const firstMark = dump.indexOf('\n');
    for (let length = 1; length < dump.length - 1; length += allRun ? 1 : 7) {
      const failure = await failureOf(namesIn(dump.slice(0, length)));
      expect(failure.kind).toBe('source');
      if (length > firstMark) expect([length, failure.code]).toEqual([length, 'DUMP_CUT']);
    }
  });

  test('is read with a warning when it was changed by hand', async () => {
    const dump = (await dumpOf(['a', 'b', 'c'])).replace(`${check('b')}---\n`, '');
    expect(await namesIn(dump)).toEqual({ names: ['a', 'c'], warnings: 1 });
    expect(await namesIn(dump.slice(dump.indexOf('\n') + 1))).toEqual({ names: ['a', 'c'], warnings: 0 });
  });

  test('may have been through an editor', async () => {
    const dump = await dumpOf(['a', 'b']);
    for (const changed of [`\ufeff${dump}`, dump.replaceAll('\n', '\r\n'), `${dump}\n\n`, dump.trimEnd()]) {
      expect((await namesIn(changed)).names).toEqual(['a', 'b']);
    }
  });

  test('may come in pieces of any size', async () => {
    const dump = Buffer.from(await dumpOf(['a', 'b']));
    const watch = async (bytes: Buffer, size: number): Promise<number> => {
      const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
        bytes.subarray(index * size, (index + 1) * size),
      );
      const marks = new MarkReader('x');
      let length = 0;
      for await (const piece of marks.watch(Readable.from(pieces) as AsyncIterable<Buffer>))
        length += piece.length;
      expect(marks.otherCount(2)).toBeUndefined();
      expect(marks.otherCount(3)).toBe(2);
      return length;
    };
    for (const size of [1, 7, 199, 200, 201, 10_000]) {
      expect(await watch(dump, size)).toBe(dump.length);
      expect(await failureOf(watch(dump.subarray(0, -2), size))).toMatchObject({ code: 'DUMP_CUT' });
    }
  });
});
