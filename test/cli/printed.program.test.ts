import { PassThrough } from 'node:stream';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inform, toJson } from '../../src/cli/run.js';
import { createReporter } from '../../src/cli/reporter.js';
import { printable, printableLines } from '../../src/core/printable.js';
import { failed, describeProofs, proven } from '../../src/migrate/proof.js';
import { describeFinding } from '../../src/rbac/describe.js';
import { grantCommand, nameWord } from '../../src/rbac/etcdctl-words.js';
import { ferry, testFolder } from '../support/ferry.js';
import { expectHarmless, hostile, orders } from './hostile-words.js';

describe('names and errors', () => {
  it('give no orders and make no lines', () => {
    expect(printable(hostile)).not.toMatch(orders);
    expect(printable(hostile)).not.toContain('\n');
    expect(printableLines([hostile])).not.toMatch(orders);
    expect(printableLines(['one', hostile, 'two']).split('\n')).toHaveLength(4);
    expect(printableLines([])).toBe('');
  });

  it.each([false, true])('of reports are one line each (as JSON: %s)', async (json) => {
    const stream = new PassThrough() as unknown as NodeJS.WriteStream;
    const reporter = await createReporter({ quiet: false, json, env: {} }, stream);
    reporter.info(hostile);
    reporter.warn(hostile);
    reporter.close();
    const said = String(stream.read());
    expect(said).not.toMatch(orders);
    expect(said.trimEnd().split('\n')).toHaveLength(2);
  });

  it('leave a report of several lines its lines', async () => {
    const stream = new PassThrough() as unknown as NodeJS.WriteStream;
    const reporter = await createReporter({ quiet: false, json: false, env: {} }, stream);
    inform({ report: reporter } as never, ['Dumped 2 resources.', 'Nothing is lost.']);
    reporter.close();
    expect(String(stream.read())).toBe('Dumped 2 resources.\nNothing is lost.\n');
  });

  it('of a JSON document are as they were once it is read', () => {
    const document = toJson({ [hostile]: `${hostile}\u{e0001}` });
    expect(document).not.toMatch(orders);
    expect(JSON.parse(document)).toEqual({ [hostile]: `${hostile}\u{e0001}` });
  });

  it('of roles are one word of the command to copy', () => {
    expect(nameWord('sensu_readwrite')).toBe('sensu_readwrite');
    expect(nameWord('x; rm -rf ~')).toBe(`'x; rm -rf ~'`);
    const command = grantCommand("x' $(id)\n", { access: 'read', key: Buffer.from('/sensu.io') });
    expect(command).toBe(String.raw`etcdctl role grant-permission $'x\x27 $(id)\x0a' read /sensu.io`);
    const finding = { severity: 'warning', code: 'X', sentence: hostile, remedy: hostile } as const;
    expect(
      printableLines(describeFinding(finding as never))
        .trimEnd()
        .split('\n'),
    ).toHaveLength(2);
  });

  it('of plans, proofs and reports are one line each, which a reporter says one by one', () => {
    const said: string[] = [];
    const report = { info: (line: string) => void said.push(line), warn: () => undefined };
    inform({ report } as never, describeProofs([proven(hostile, hostile), failed(hostile, hostile)]));
    expect(said).toHaveLength(2);
    expect(printableLines(said)).not.toMatch(orders);
  });

  it.each([
    ['snapshot', 'inspect', 'x', `--${hostile}`],
    ['snapshot', 'diff', 'x', 'y', '--limit', hostile],
    ['rbac', 'plan', '--profile', hostile],
    [hostile],
  ])('of the command line arrive without their orders in what is wrong with it: %j', async (...words) => {
    const ended = await ferry(words);
    expect(ended.code).toBe(2);
    expect(ended.stderr).toMatch(/^error: /);
    expectHarmless(ended);
  });

  it('of an option that was meant stay on a line of their own', async () => {
    const { stderr } = await ferry(['snapshot', 'inspect', 'x', '--show-secret']);
    expect(stderr).toMatch(/^\(Did you mean --show-secrets\?\)$/m);
  });

  it.each([
    ['snapshot', 'inspect'],
    ['snapshot', 'verify'],
    ['snapshot', 'list'],
    ['restore', 'etcd', '--endpoints', 'http://127.0.0.1:1', '--plan', '--from'],
  ])('of files arrive on the terminal without their orders: %s %s', async (...command) => {
    const path = join(await testFolder(), hostile.replaceAll('/', ''));
    await writeFile(path, hostile);
    const ended = await ferry([...command, path]);
    expect(ended.code).not.toBe(0);
    expectHarmless(ended);
  });
});
