import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { openSnapshot } from '../../src/etcd-files/mvcc/store-file.js';
import { takeLock } from '../../src/snapshot/keep/lock.js';
import { openStore } from '../../src/snapshot/open/open.js';
import { DirectoryStorage } from '../../src/storage/directory.js';
import { asTruth, readTruth } from '../support/recorded-truth.js';
import { unpackFixture } from '../support/unpack.js';
import { silentContext } from '../support/silent-context.js';
import { oldestAndNewestEtcd, startEtcd } from '../support/etcd.js';
import { expectFailure, ferry, shell, testFolder } from '../support/ferry.js';

const members = ['backend-1', 'backend-2', 'backend-3'];
let recorded: string;

/** The `<state-dir>/etcd` of a recorded backend. */
const etcdOf = (state: 'killed' | 'stopped', member: string): string => join(recorded, state, member, 'etcd');

beforeAll(async () => {
  recorded = mkdtempSync(join(tmpdir(), 'cold-save-'));
  for (const state of ['killed', 'stopped']) {
    for (const member of members) {
      const target = join(recorded, state, member);
      await mkdir(target, { recursive: true });
      unpackFixture(`cluster3-6.12.0/${state}/${member}.tar.gz`, target);
    }
  }
});

afterAll(() => rm(recorded, { recursive: true }));

const save = (folders: readonly string[], to: string, ...more: readonly string[]) =>
  ferry(['snapshot', 'save', ...folders.flatMap((folder) => ['--data-dir', folder]), '--to', to, ...more]);

interface SavedJson {
  readonly path: string;
  readonly revision: string;
  readonly member: { readonly name: string; readonly dataDir: string };
  readonly replayed: { readonly entries: number; readonly dbRevision: string };
  readonly others: readonly { readonly name: string; readonly behind: object }[];
  readonly passedOver: readonly { readonly dataDir: string; readonly reason: string }[];
}

const parse = ({ stdout }: { readonly stdout: string }): SavedJson => JSON.parse(stdout) as SavedJson;

describe.each([
  ['killed', 2982n],
  ['stopped', 3018n],
] as const)('save --data-dir of a backend that was %s', (state, revision) => {
  const truth = readTruth(`cluster3-6.12.0/${state}`);

  it.each(members)(
    'gives exactly the recorded store on %s, in an archive that verify accepts',
    async (member) => {
      const folder = await testFolder();
      const ended = await save([etcdOf(state, member)], folder, '--json');
      // One of three: what the others acknowledged after it stopped is not in its log.
      expect(ended, ended.stderr).toMatchObject({ code: 3 });
      const saved = parse(ended);
      expect(saved).toMatchObject({ revision: String(revision), member: { name: member } });
      expect(saved).toMatchObject({ doubt: 'few-voters', voters: { all: 3, given: 1 } });
      expect(saved.path).toMatch(new RegExp(`/sensu-9080c059-\\d{8}T\\d{6}Z-r${revision}\\.sferry$`));
      const store = await openStore(saved.path, silentContext());
      expect([...store.file.entries()].flat().map((entry, i) => asTruth(entry, truth.keys[i]!))).toEqual(
        truth.keys,
      );
      expect(store.manifest).toMatchObject({
        etcd: { memberName: member, version: '3.5.0', revision: `${revision}` },
      });
      store.close();
      const verified = await ferry(['snapshot', 'verify', saved.path]);
      expect(verified, verified.stdout).toMatchObject({ code: 0 });
    },
  );
});

describe('save --data-dir', () => {
  it('writes the plain file that etcdutl reads too, and to standard output', async () => {
    const folder = await testFolder();
    const ended = await save([etcdOf('killed', 'backend-2')], folder, '--format', 'etcd', '--json');
    const { path } = parse(ended);
    const piped = await shell(
      `ferry snapshot save --data-dir '${etcdOf('killed', 'backend-2')}' --format etcd --to - > '${folder}/piped'`,
    );
    expect(piped.code).toBe(3);
    expect((await readFile(join(folder, 'piped'))).equals(await readFile(path))).toBe(true);
    const store = openSnapshot(path);
    expect(store.revision).toBe(2982n);
    store.close();
  });

  it('takes the most advanced of copies of different times, says by how much the others lag, and that this is no way to have all', async () => {
    const folder = await testFolder();
    const folders = [
      etcdOf('killed', 'backend-1'),
      etcdOf('stopped', 'backend-2'),
      etcdOf('killed', 'backend-3'),
    ];
    const ended = await save(folders, folder, '--json');
    expect(ended.code).toBe(3);
    const behind = { revisions: '35', entries: '83' };
    expect(parse(ended)).toMatchObject({
      revision: '3018',
      doubt: 'older-copies',
      member: { name: 'backend-2', dataDir: folders[1] },
      others: [
        { name: 'backend-1', behind },
        { name: 'backend-3', behind },
      ],
    });
    // In the same second, the other folder has a file of this name already.
    const words = await save(folders, await testFolder());
    expect(words.stdout).toContain('from backend-2');
    expect(words.stdout).toMatch(
      /backend-1 \(.*\) lags by 83 entries of the log and 35 revisions, at revision 2983/,
    );
  });

  it('goes on without a member that is damaged, but says so', async () => {
    const broken = join(await testFolder(), 'etcd');
    await mkdir(join(broken, 'data/member/snap'), { recursive: true });
    await mkdir(join(broken, 'wal'));
    await writeFile(join(broken, 'data/member/snap/db'), 'no bbolt file at all');
    await writeFile(join(broken, 'wal/0000000000000000-0000000000000000.wal'), '');
    const folder = await testFolder();
    const ended = await save([broken, etcdOf('killed', 'backend-1')], folder, '--json');
    expect(ended).toMatchObject({ code: 3 });
    expect(ended.stderr).toContain(`warning: ${broken} is passed over: `);
    expect(parse(ended)).toMatchObject({ revision: '2982', passedOver: [{ dataDir: broken }] });
    expectFailure(await save([broken], folder), 10, 'NOT_BBOLT');
  });

  it('says where a torn log ends and exits 3, and refuses a damaged one', async () => {
    const backend = join(await testFolder(), 'etcd');
    await cp(etcdOf('killed', 'backend-1'), backend, { recursive: true });
    const wal = join(backend, 'wal/0000000000000000-0000000000000000.wal');
    const bytes = await readFile(wal);
    const used = bytes.findLastIndex((byte) => byte !== 0);
    // The last of the pages that were written never came to the disk.
    await writeFile(wal, Buffer.from(bytes).fill(0, used - (used % 512)));
    const folder = await testFolder();
    const torn = await save([backend], folder, '--json');
    expect(torn, torn.stderr).toMatchObject({ code: 3 });
    expect(torn.stderr).toMatch(/^warning: .*wal is used up to byte \d+, raft entry \d+: /m);
    expect(BigInt(parse(torn).revision)).toBeGreaterThan(2927n);
    const flipped = Buffer.from(bytes);
    flipped[used - 2000]! ^= 1;
    await writeFile(wal, flipped);
    expectFailure(await save([backend], await testFolder()), 13, 'WAL_CORRUPT');
  });

  it('encrypts, locks, writes metrics and keeps quiet as any other save does', async () => {
    const folder = await testFolder();
    const passphrase = join(await testFolder(), 'passphrase');
    await writeFile(passphrase, 'correct horse battery staple\n', { mode: 0o600 });
    const metrics = join(await testFolder(), 'ferry.prom');
    const more = ['--passphrase-file', passphrase, '--textfile', metrics, '--quiet', '--name', 'cold'];
    const from = members.map((member) => etcdOf('stopped', member));
    expect(await save(from, folder, ...more)).toEqual({ code: 0, stdout: '', stderr: '' });
    const [name] = (await readdir(folder)).filter((file) => file.endsWith('.sferry'));
    expect(name).toMatch(/^cold-.*-r3018\.sferry$/);
    expect(await readFile(metrics, 'utf8')).toMatch(/_last_success_revision\{[^}]*\} 3018$/m);
    const verify = ['snapshot', 'verify', join(folder, name!), '--passphrase-file', passphrase];
    expect(await ferry(verify)).toMatchObject({ code: 0 });
    const lock = await takeLock(silentContext(), new DirectoryStorage(folder));
    const ended = await save(from, folder, ...more);
    await lock.release();
    expect(ended.code).toBe(11);
    expect(await readFile(metrics, 'utf8')).toMatch(/_last_run_success\{[^}]*\} 0$/m);
  });

  it('wants one source', async () => {
    const folder = await testFolder();
    const both = await save([etcdOf('killed', 'backend-1')], folder, '--endpoints', 'http://127.0.0.1:1');
    expectFailure(both, 2, 'TWO_SOURCES');
    expectFailure(await save([join(folder, 'none')], folder), 10, 'NOT_A_DATA_DIRECTORY');
    expect(await readdir(folder)).toEqual([]);
    const nightly = ['--cron', '--', '--data-dir', '/var/lib/sensu/etcd', '--to', folder];
    expectFailure(await ferry(['snapshot', 'schedule', ...nightly]), 2, 'SCHEDULE_OF_STOPPED');
  });
});

describe.each(oldestAndNewestEtcd)('save --data-dir of a real etcd %s', (version) => {
  it('refuses it while it runs, and has all that was acknowledged before a SIGKILL', async () => {
    const etcd = await startEtcd({ version, flags: ['--backend-batch-interval=1h'], until: 'test' });
    const client = await etcd.connect();
    const member = etcd.members[0]!;
    const folder = await testFolder();
    for (let i = 0; i < 20; i += 1) {
      const key = Buffer.from(`/sensu.io/${i}`);
      await client.txn({ writes: [{ type: 'put', key, value: Buffer.from(`value ${i}`) }] });
    }
    const refused = await save([member.dataDir], folder);
    expectFailure(refused, 14, 'DATA_DIR_IN_USE');
    expect(refused.stderr).toContain(`process ${member.pid!} holds a lock on ${member.dataDir}`);
    // With another one that is stopped, too: a cluster that runs has newer data.
    expectFailure(await save([etcdOf('killed', 'backend-1'), member.dataDir], folder), 14, 'DATA_DIR_IN_USE');
    expect(await readdir(folder)).toEqual([]);
    await member.kill();
    const ended = await save([member.dataDir], folder, '--json');
    expect(ended, ended.stderr).toMatchObject({ code: 0 });
    const { path, replayed } = parse(ended);
    expect(replayed.entries).toBeGreaterThanOrEqual(20);
    const store = await openStore(path, silentContext());
    const found = [...store.file.entries()]
      .flat()
      .map(({ key, value }) => `${key.toString()} ${value.toString()}`);
    store.close();
    expect(found).toEqual(Array.from({ length: 20 }, (_, i) => `/sensu.io/${i} value ${i}`).sort());
    const strangers = await save([member.dataDir, etcdOf('killed', 'backend-1')], folder);
    expectFailure(strangers, 14, 'CLUSTERS_DIFFER');
  });
});
