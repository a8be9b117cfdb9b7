import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentContext } from '../support/silent-context.js';
import { openStore } from '../../src/snapshot/open/open.js';
import { openStoppedMembers } from '../../src/at-rest/stopped-members.js';
import { unpackFixture } from '../support/unpack.js';
import { expectFailure, ferry, testFolder } from '../support/ferry.js';

let recorded: string;

beforeAll(async () => {
  recorded = await mkdtemp(join(tmpdir(), 'stopped-members-'));
  for (const name of ['killed-leader-first', 'restored-to-one', 'restored-to-three']) {
    await mkdir(join(recorded, name));
    unpackFixture(`stopped-members/${name}.tar.gz`, join(recorded, name));
  }
});

afterAll(() => rm(recorded, { recursive: true }));

const at = (path: string): string => join(recorded, path);

/** What is read of the directories, as the commands that take --data-dir read it. */
async function read(...paths: readonly string[]): Promise<object> {
  const stopped = await openStoppedMembers(silentContext(), paths.map(at));
  const keys = [...stopped.directory.keys()].flat().map(({ key }) => key.toString());
  stopped.directory.close();
  const { newest, others, agreement } = stopped;
  return {
    ...{
      revision: newest.revision,
      keys: keys.length,
      last: keys.at(-1),
      from: newest.path.slice(recorded.length + 1),
    },
    doubt: agreement.doubt,
    leftOut: [newest, ...others].map(({ leftOut }) => leftOut),
    behind: others.map(({ behind }) => behind.revisions),
  };
}

describe('three members that were killed, the leader first', () => {
  const [m1, m2, m3] = [
    'killed-leader-first/m1',
    'killed-leader-first/m2',
    'killed-leader-first/m3',
  ] as const;

  /** The trap: it was acknowledged, and is beyond the commit index that each has on record. */
  it.each([[[m1, m2, m3]], [[m3, m1]], [[m2, m3]]])(
    'have the last write, which all their logs hold: %s',
    async (paths) => {
      expect(await read(...paths)).toMatchObject({ revision: 742n, keys: 741, doubt: undefined });
    },
  );

  it('lack it, each alone, and that it may be missing is said', async () => {
    for (const path of [m1, m2, m3]) {
      expect(await read(path)).toMatchObject({ revision: 741n, doubt: 'few-voters', leftOut: [1n] });
    }
  });
});

/** The trap: the db file names the voters of the cluster that the snapshot came from. */
it('a member that was restored to be alone has all of its log', async () => {
  expect(await read('restored-to-one/only')).toMatchObject({ revision: 93n, keys: 68, doubt: undefined });
});

describe('three members that were restored from a snapshot of one', () => {
  const [a, b, c] = ['restored-to-three/a', 'restored-to-three/b', 'restored-to-three/c'] as const;

  /** The trap: the db file names one voter, so that a write that no majority ever had counted. */
  it('do not have what one of them alone was asked to write', async () => {
    expect(await read(a)).toMatchObject({ revision: 3n, doubt: 'few-voters', leftOut: [1n] });
    const all = { revision: 3n, from: b, doubt: undefined, leftOut: [0n, 1n, 0n], behind: [0n, 0n] };
    expect(await read(a, b, c)).toMatchObject(all);
  });

  it('are as many as there are directories, whatever they are called', async () => {
    await symlink(at(a), at('link-to-a'));
    const once = await read(a);
    expect(await read(a, `${a}/`, 'link-to-a', `${a}/../a`)).toEqual(once);
    await cp(at(a), at('copy-of-a'), { recursive: true });
    await expect(read(a, 'copy-of-a')).rejects.toMatchObject({ code: 'MEMBER_TWICE', kind: 'refused' });
    await expect(read(a, 'restored-to-one/only')).rejects.toMatchObject({ code: 'CLUSTERS_DIFFER' });
  });
});

describe('a command that takes --data-dir', () => {
  const few =
    /warning: A write that was acknowledged shortly before the stop may be missing: 1 of the 3 voting members is here/;

  it('exits 3 and says what may be missing, where it has too few of the members', async () => {
    const [m1, m2] = [at('killed-leader-first/m1'), at('killed-leader-first/m2')];
    const to = await testFolder();
    const save = (...folders: readonly string[]) =>
      ferry([
        'snapshot',
        'save',
        ...folders.flatMap((folder) => ['--data-dir', folder]),
        '--to',
        to,
        '--json',
      ]);
    const alone = await save(m1);
    expect(alone).toMatchObject({ code: 3 });
    expect(alone.stderr).toMatch(few);
    expect(JSON.parse(alone.stdout)).toMatchObject({
      ...{ revision: '741', doubt: 'few-voters', voters: { all: 3, given: 1 } },
      member: { leftOut: 1 },
    });
    const archive = await openStore((JSON.parse(alone.stdout) as { path: string }).path, silentContext());
    archive.close();
    expect(archive.manifest!.notIncluded).toContain(
      'writes that were acknowledged shortly before the members stopped',
    );
    expect(await save(m1, m2)).toMatchObject({ code: 0, stderr: '' });
    const dump = await ferry(['dump', '--from', m1, '--accept-loss']);
    expect(dump).toMatchObject({ code: 3 });
    expect(dump.stderr).toMatch(few);
    const inspected = await ferry(['snapshot', 'inspect', m1]);
    expect(inspected).toMatchObject({ code: 3 });
    expect(inspected.stdout).toMatch(few);
  });

  it('refuses directories of different clusters', async () => {
    const folders = ['restored-to-one/only', 'restored-to-three/b'].flatMap((path) => [
      '--data-dir',
      at(path),
    ]);
    expectFailure(
      await ferry(['snapshot', 'save', ...folders, '--to', await testFolder()]),
      14,
      'CLUSTERS_DIFFER',
    );
  });
});
