import { copyFileSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectFailure, expectNoTrace, ferry, fixture, testFolder } from '../support/ferry.js';

const good = fixture('single-6.7.5/snapshot.db');

async function damagedFile(): Promise<string> {
  const path = join(await testFolder(), 'damaged.db');
  const bytes = readFileSync(good);
  bytes[100_000]! ^= 1;
  writeFileSync(path, bytes);
  return path;
}

describe('snapshot verify', () => {
  it('says a line a layer of a good snapshot, and exits 0', async () => {
    const { code, stdout, stderr } = await ferry(['snapshot', 'verify', good]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toBe(`${good}: ok, revision 260, 63 keys`);
    expect(lines.slice(1).map((line) => line.trim().split(/\s+/).slice(0, 2).join(' '))).toEqual([
      ...['archive none', 'trailer ok', 'pages ok', 'mvcc ok', 'sensu ok', 'digest none'],
    ]);
  });

  it('says what is wrong and where, and exits 13', async () => {
    const path = await damagedFile();
    const ended = await ferry(['snapshot', 'verify', path]);
    expect(ended.code).toBe(13);
    expect(ended.stdout).toMatch(/damaged\.db: NOT OK/);
    expect(ended.stdout).toMatch(/^ {2}trailer {2}failed {2}1 finding$/m);
    expect(ended.stdout).toMatch(/^ {19}does not have the sha256 that its last 32 bytes give/m);
    expectNoTrace(ended);
  });

  it('looks at every file, and lets the worst decide', async () => {
    const path = await damagedFile();
    const ended = await ferry(['snapshot', 'verify', '/nonexistent/a.db', path, good, '--json']);
    expect(ended.code).toBe(13);
    const { ok, files } = JSON.parse(ended.stdout) as { ok: boolean; files: Record<string, unknown>[] };
    expect(ok).toBe(false);
    expect(files.map((file) => file['ok'])).toEqual([false, false, true]);
    expect(files[0]).toMatchObject({ error: { code: 'SOURCE_UNREADABLE' } });
    expect(files[1]).toMatchObject({ path, findings: [{ layer: 'trailer' }] });
    expect(files[2]).toMatchObject({ revision: '260', keys: 63, hashChecked: true });
    expect((await ferry(['snapshot', 'verify', '/nonexistent/a.db', good])).code).toBe(10);
  });

  it.each([
    ['a text file', 'Not a snapshot at all.'.repeat(1000)],
    ['an empty file', ''],
  ])('calls %s damaged: it was meant to be a snapshot', async (_what, content) => {
    const path = join(await testFolder(), 'other.db');
    writeFileSync(path, content);
    const ended = await ferry(['snapshot', 'verify', path]);
    expect(ended.code).toBe(13);
    expectNoTrace(ended);
  });

  it('has no verdict on what is not there, or is a folder', async () => {
    expectFailure(await ferry(['snapshot', 'verify', '/nonexistent/a.db']), 10, 'SOURCE_UNREADABLE');
    expectFailure(await ferry(['snapshot', 'verify', await testFolder()]), 10, 'NOT_A_SNAPSHOT_FILE');
    expect((await ferry(['snapshot', 'verify'])).code).toBe(2);
  });

  it('notes its verdict beside the snapshot, for list, prune and check; takes it back when that is damaged', async () => {
    const folder = await testFolder();
    const name = 'sensu-9080c059-20260801T021500Z-r260.db';
    const path = join(folder, name);
    copyFileSync(good, path);
    symlinkSync(path, join(folder, 'latest'));
    const verified = async (): Promise<unknown> => {
      const { stdout } = await ferry(['snapshot', 'list', folder, '--json']);
      return (JSON.parse(stdout) as { snapshots: { verification?: object }[] }).snapshots[0]!.verification;
    };
    expect(await verified()).toBeUndefined();
    expect(await ferry(['snapshot', 'verify', join(folder, 'latest')])).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect(await verified()).toMatchObject({
      revision: '260',
      tool: expect.stringMatching(/^sensu-ferry /) as string,
    });
    const check = ['snapshot', 'check', folder, '--require-verified', '--max-age', '9999d'];
    expect(await ferry(check)).toMatchObject({ code: 0 });
    const bytes = readFileSync(good);
    bytes[100_000]! ^= 1;
    writeFileSync(path, bytes);
    expect((await ferry(['snapshot', 'verify', path])).code).toBe(13);
    expect(await verified()).toBeUndefined();
    expect(readdirSync(folder).sort()).toEqual(['latest', name]);
  });

  it('has a verdict although it cannot be noted', async () => {
    const folder = await testFolder();
    const name = 'sensu-9080c059-20260801T021500Z-r260.db';
    copyFileSync(good, join(folder, name));
    // For root, too, nothing is put in the place of a folder.
    mkdirSync(join(folder, `${name}.verified.json`));
    const ended = await ferry(['snapshot', 'verify', join(folder, name)]);
    expect(ended).toMatchObject({ code: 0, stdout: expect.stringContaining(': ok, ') as string });
    expect(ended.stderr).toMatch(/^warning: It cannot be noted beside /);
    expectNoTrace(ended);
  });

  it('restores with --deep, and leaves nothing running', async () => {
    const env = { HOME: process.env['HOME'] ?? '' };
    const { code, stdout } = await ferry(['snapshot', 'verify', '--deep', good], { env });
    expect(stdout).toMatch(/^ {2}restore {2}ok {6}63 keys, 8 leases$/m);
    expect(code).toBe(0);
  });
});
