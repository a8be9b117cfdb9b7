import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient, Decrypter } from 'age-encryption';
import { describe, expect, it } from 'vitest';
import { insideMarks } from '../../dump/inside-marks.js';
import { writeLargeStore } from '../../support/large-store.js';
import { startEtcd } from '../../support/etcd.js';
import { expectFailure, expectNoTrace, ferry, fixture, startShell, testFolder } from '../../support/ferry.js';

const kitchenSink = fixture('kitchen-sink-6.12.0/snapshot.db');
const recorded = (name: string): string => readFileSync(fixture(`kitchen-sink-6.12.0/${name}`), 'utf8');

describe('dump', () => {
  it('writes what sensuctl wrote, byte for byte, and exits 3 for what is lost', async () => {
    const ended = await ferry(['dump', '--from', kitchenSink, '--omit', 'events']);
    expect(ended.code).toBe(3);
    expect(insideMarks(ended.stdout)).toBe(recorded('dump.yml'));
    expect(ended.stderr).toContain('the passwords of 4 users: admin, agent, erin, frank');
    expect(ended.stderr).toMatch(/^ {2}2 API keys, which create refuses/m);
    // The report may be mailed around: the keys are in the dump alone.
    expect(ended.stderr).not.toContain('3ab2ee1c-0d2b');
  });

  it('writes wrapped JSON as sensuctl did, and events of a namespace', async () => {
    const json = await ferry([
      'dump',
      '--from',
      kitchenSink,
      '--omit',
      'core/v2.Event',
      '--format',
      'wrapped-json',
    ]);
    expect(json.stdout).toBe(recorded('dump.json'));
    const events = await ferry(['dump', '--from', kitchenSink, '--types', 'events', '--namespace', 'ops']);
    expect(insideMarks(events.stdout)).toBe(recorded('events-ops.yml'));
    // One event of a check without handlers: nothing of it is lost.
    expect(events.code).toBe(0);
  });

  it('has the events of all namespaces in it', async () => {
    const { stdout } = await ferry(['dump', '--from', kitchenSink, '--quiet']);
    expect(stdout.match(/^type: Event$/gm)).toHaveLength(2);
  });

  /** sensuctl shows no silence that has ended, and those of the recording have since. */
  it('reads a live etcd at one revision, and gives the same bytes but for silences that have ended', async () => {
    const etcd = await startEtcd({ until: 'test' });
    const endpoints = ['--endpoints', etcd.endpoint];
    expect((await ferry(['restore', 'etcd', '--from', kitchenSink, ...endpoints, '--yes'])).code).toBe(0);
    const live = await ferry(['dump', ...endpoints, '--omit', 'events', '--quiet']);
    const silences = /---\ntype: Silenced\n[\s\S]*$/;
    expect(recorded('dump.yml')).toMatch(silences);
    expect(insideMarks(live.stdout)).toBe(recorded('dump.yml').replace(silences, ''));
    expect({ code: live.code, stderr: live.stderr }).toEqual({ code: 3, stderr: '' });
  });

  it('hides nothing with --with-secrets, and says that it is a secret', async () => {
    const folder = await testFolder();
    const output = join(folder, 'dump.yml');
    const ended = await ferry([
      'dump',
      '--from',
      kitchenSink,
      '--with-secrets',
      '--output',
      output,
      '--json',
    ]);
    expect(ended.code).toBe(3);
    expect(ended.stderr).toMatch(/not encrypted: keep it as you keep passwords/);
    const text = readFileSync(output, 'utf8');
    expect(text.match(/^ {2}password_hash: \$2a\$10\$/gm)).toHaveLength(4);
    expect(text).not.toMatch(/^ {2}password:/m);
    expect(statSync(output).mode & 0o777).toBe(0o600);
    expect(JSON.parse(ended.stdout)).toMatchObject({
      output,
      loses: true,
      usersWithoutPassword: [],
      redacted: { count: 0 },
      apiKeys: [{ owner: 'admin', hint: '…7b11' }, { owner: 'erin' }],
    });
    expect(readdirSync(folder)).toEqual(['dump.yml']);
  });

  it('exits 0 when nothing is lost, or when that is accepted', async () => {
    const nothing = await ferry(['dump', '--from', kitchenSink, '--types', 'checks,handlers']);
    expect(nothing.code).toBe(0);
    expect(nothing.stderr).toContain('Nothing is lost with this dump');
    expect((await ferry(['dump', '--from', kitchenSink, '--accept-loss'])).code).toBe(0);
  });

  it('splits into a file a namespace and kind, which hold together what one file would', async () => {
    const folder = join(await testFolder(), 'split');
    const split = [
      'dump',
      '--from',
      kitchenSink,
      '--omit',
      'events',
      '--quiet',
      '--split',
      '--output',
      folder,
    ];
    expect((await ferry(split)).code).toBe(3);
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.yml'),
    );
    expect(files).toContain('cluster/users.yml');
    expect(files).toContain('namespaces/ops/checks.yml');
    const documents = (text: string): string[] => text.split(/(?<=\n)---\n/).sort();
    const all = files
      .flatMap((name) => documents(insideMarks(readFileSync(join(folder, name), 'utf8'))))
      .sort();
    expect(all).toEqual(documents(recorded('dump.yml')));
    expect(statSync(join(folder, 'cluster/users.yml')).mode & 0o777).toBe(0o600);

    expectFailure(await ferry(split.filter((word) => word !== '--quiet')), 14, 'FILE_EXISTS');
    writeFileSync(join(folder, 'README'), 'mine');
    writeFileSync(join(folder, 'namespaces/ops/hooks.yml'), 'gone from the store');
    expect((await ferry([...split, '--overwrite'])).code).toBe(3);
    expect(existsSync(join(folder, 'namespaces/ops/hooks.yml'))).toBe(false);
    expect(readFileSync(join(folder, 'README'), 'utf8')).toBe('mine');
    expect(existsSync(`${folder}.part`)).toBe(false);
  });

  it('takes - for standard output, as snapshot save does, and makes no file of that name', async () => {
    const folder = await testFolder();
    const args = ['dump', '--from', kitchenSink, '--types', 'checks', '--output', '-'];
    const ended = await ferry(args, { cwd: folder });
    expect(insideMarks(ended.stdout)).toMatch(/^type: CheckConfig\n/);
    expect(readdirSync(folder)).toEqual([]);
    expectFailure(await ferry([...args, '--split']), 2, 'OUTPUT_MISSING');
  });

  it('overwrites a file only when told so', async () => {
    const output = join(await testFolder(), 'dump.yml');
    writeFileSync(output, 'mine');
    const args = ['dump', '--from', kitchenSink, '--types', 'checks', '--output', output];
    expectFailure(await ferry(args), 14, 'FILE_EXISTS');
    expect(readFileSync(output, 'utf8')).toBe('mine');
    expect((await ferry([...args, '--overwrite'])).code).toBe(0);
    expect(insideMarks(readFileSync(output, 'utf8'))).toMatch(/^type: CheckConfig\n/);
  });

  it('encrypts for recipients', async () => {
    const identity = await generateX25519Identity();
    const output = join(await testFolder(), 'dump.yml.age');
    const recipient = ['--recipient', await identityToRecipient(identity)];
    const args = ['dump', '--from', kitchenSink, '--omit', 'events', '--output', output, ...recipient];
    expect((await ferry(args)).code).toBe(3);
    const decrypter = new Decrypter();
    decrypter.addIdentity(identity);
    expect(insideMarks(await decrypter.decrypt(readFileSync(output), 'text'))).toBe(recorded('dump.yml'));
  });

  it('ends quietly when its reader has seen enough', async () => {
    const large = fixture('cluster3-6.12.0/snapshot.db');
    const { finished } = startShell(
      `ferry dump --from ${large} --quiet | head -n 2; echo "\${PIPESTATUS[0]}"`,
    );
    const ended = await finished;
    expect(ended.stdout).toMatch(/^# Dump by sensu-ferry.*\ntype: Namespace\n\d+\n$/);
    expect(ended.stderr).toBe('');
    expectNoTrace(ended);
  });

  /** The trap: each time that it waits for its reader leaves listeners behind, of which Node warns. */
  it('waits for a slow reader, and says nothing of it', async () => {
    const store = join(await testFolder(), 'large.db');
    writeLargeStore(store, 2000, 2000);
    const { finished } = startShell(`ferry dump --from ${store} --accept-loss --quiet | { sleep 1; wc -c; }`);
    const ended = await finished;
    expect(Number.parseInt(ended.stdout, 10)).toBeGreaterThan(5_000_000);
    expect(ended.stderr).toBe('');
  });

  /** The trap: a store of 100,000 resources in memory, as objects or as text that waits to be written. */
  it('never holds a store in memory, nor what is written of it', async () => {
    const store = join(await testFolder(), 'large.db');
    writeLargeStore(store, 15_000, 15_000);
    const output = join(await testFolder(), 'dump.yml');
    const nodeOptions = ['--max-old-space-size=48'];
    const ended = await ferry(['dump', '--from', store, '--output', output, '--accept-loss'], {
      nodeOptions,
    });
    expect({ code: ended.code, stderr: ended.stderr }).toEqual({ code: 0, stderr: '' });
    expect(ended.stdout).toMatch(/^Dumped 30,000 resources to .*: 15,000 Entity, 15,000 Event\.$/m);
    expect(statSync(output).size).toBeGreaterThan(60_000_000);
  }, 120_000);

  it.each([
    [['--from', kitchenSink, '--types', 'chekcs'], 'TYPE_UNKNOWN'],
    [['--from', kitchenSink, '--namespace', 'opps'], 'NAMESPACE_UNKNOWN'],
    [['--from', kitchenSink, '--format', 'json'], 'FORMAT_UNKNOWN'],
    [['--from', kitchenSink, '--split'], 'OUTPUT_MISSING'],
    [['--from', kitchenSink, '--json'], 'OUTPUT_TAKEN'],
    [['--from', kitchenSink, '--endpoints', 'http://127.0.0.1:1'], 'SOURCE_UNCLEAR'],
    [[], 'SOURCE_UNCLEAR'],
  ])('refuses %j', async (args, name) => {
    expectFailure(await ferry(['dump', ...args]), 2, name);
  });

  it('leaves no file behind when the source is of no use', async () => {
    const folder = await testFolder();
    const ended = await ferry(['dump', '--from', '/nonexistent', '--output', join(folder, 'dump.yml')]);
    expectFailure(ended, 10, 'SOURCE_UNREADABLE');
    expect(readdirSync(folder)).toEqual([]);
  });
});
