import { printableLines } from '../../../src/core/printable.js';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { describeInspection, inspectionJson } from '../../../src/cli/words/inspection.js';
import type { Inspection } from '../../../src/snapshot/open/inspect.js';
import { inspectStore } from '../../../src/snapshot/open/inspect.js';
import { unpackFixture } from '../../support/unpack.js';
import { silentContext } from '../../support/silent-context.js';

function fixture(path: string): string {
  return new URL(`../../../fixtures/${path}`, import.meta.url).pathname;
}

const folder = mkdtempSync(join(tmpdir(), 'sensu-ferry-inspect-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const snapshot = (name: string): Promise<Inspection> =>
  inspectStore(silentContext(), fixture(`${name}/snapshot.db`));

/** API keys of the store, which must show up nowhere unless asked for. */
const secretKeys = [
  '24484dcc-ee3e-4f43-a347-a4aec7cd1523',
  '45e26305-6f07-4944-a186-ee64e84f819c',
  '93d09685-5f01-49c5-8f66-3c13eace793d',
];

describe('a snapshot', () => {
  it.each(['single-6.7.5', 'cluster3-6.12.0', 'kitchen-sink-6.12.0'])(
    '%s has the numbers that etcdutl prints',
    async (name) => {
      const status: unknown = JSON.parse(readFileSync(fixture(`${name}/snapshot.status.json`), 'utf8'));
      const inspection = await snapshot(name);
      expect({ ...inspection.status, revision: Number(inspection.status!.revision) }).toEqual(status);
      expect(inspection).toMatchObject({ kind: 'snapshot', hashChecked: true });
    },
  );

  it('is told with its members, and without a replay', async () => {
    const { etcd, replay, size } = await snapshot('cluster3-6.12.0');
    expect(etcd.members.map(({ name }) => name).sort()).toEqual(['backend-1', 'backend-2', 'backend-3']);
    expect(etcd).toMatchObject({ authEnabled: false, alarms: [], revision: 884n });
    expect(replay).toBeUndefined();
    expect(size).toBe(749_568 + 32);
  });
});

describe('a data directory after a crash', () => {
  /** The trap: a copy of the db file alone lacks what is only in the WAL. */
  it('is told with what the WAL adds', async () => {
    unpackFixture('cluster3-6.12.0/killed/backend-1.tar.gz', folder);
    const inspection = await inspectStore(silentContext(), join(folder, 'etcd'));
    expect(inspection).toMatchObject({ kind: 'data-directory', size: undefined, status: undefined });
    expect(inspection.contents).toMatchObject({ keys: 2569, revision: 2982n });
    expect(inspection.replay).toMatchObject({ dbRevision: 2927n });
    expect(shownWords(inspection, false)).toContain('would lack 55 revisions');
    expect(inspectionJson(inspection, false)).toMatchObject({ replay: { dbRevision: '2927' } });
  });
});

/** As a terminal gets it. */
const shownWords = (...asked: Parameters<typeof describeInspection>): string =>
  printableLines(describeInspection(...asked));

describe('in words', () => {
  it('it lists prefixes, users and ids in lines of one width', async () => {
    const text = shownWords(await snapshot('cluster3-6.12.0'), false);
    const status = JSON.parse(readFileSync(fixture('cluster3-6.12.0/snapshot.status.json'), 'utf8')) as {
      hash: number;
    };
    expect(text).toContain('cluster 9080c059-0b76-4df9-b29e-e1e32bcd0e48');
    expect(text).toContain(`hash ${status.hash.toString(16)}`);
    expect(text).toMatch(/^alice +ops, dev$/m);
    expect(text).toMatch(/^carol +disabled$/m);
    expect(text).toMatch(/^backend-1 +a5227d6d18885972 +http:/m);
    const [head, ...rows] = text.slice(text.indexOf('PREFIX')).split('\n\n')[0]!.split('\n');
    expect(head).toMatch(/^PREFIX +KEYS +BYTES +LEASED$/);
    expect(rows.find((row) => row.startsWith('/sensu.io/events/'))).toMatch(/^\S+ +247 +\d/);
    const bytesEnd = head!.indexOf('BYTES') + 'BYTES'.length;
    expect(rows.filter((row) => !/B$/.test(row.slice(0, bytesEnd)))).toEqual([]);
  });

  it('it shortens API keys to a hint unless they are asked for', async () => {
    const inspection = await snapshot('cluster3-6.12.0');
    const shown = [shownWords(inspection, false), json(inspectionJson(inspection, false))];
    for (const key of secretKeys) {
      expect(shown.filter((text) => text.includes(key))).toEqual([]);
      expect(shown.every((text) => text.includes(`…${key.slice(-4)}`))).toBe(true);
      expect(shownWords(inspection, true)).toContain(key);
      expect(json(inspectionJson(inspection, true))).toContain(key);
    }
  });

  it('it gives no orders of the store to the terminal', async () => {
    const inspection = await snapshot('cluster3-6.12.0');
    const users = [{ username: 'a\u001b[2Jb\nc', groups: [], disabled: false, hasPassword: false }];
    const text = shownWords({ ...inspection, contents: { ...inspection.contents, users } }, false);
    expect(text).not.toContain('\u001b');
    expect(text).toMatch(/^a.\[2Jb.c +no password$/mu);
  });

  it('it warns of what an operator must look at', async () => {
    const inspection = await snapshot('cluster3-6.12.0');
    const text = shownWords(
      {
        ...inspection,
        contents: { ...inspection.contents, outsideRoot: 2, unreadable: ['user bob'] },
        etcd: { ...inspection.etcd, alarms: [{ memberId: -1n, type: 'NOSPACE' }] },
      },
      false,
    );
    expect(text.match(/^ {2}warning: .*$/gm)).toEqual([
      '  warning: the alarm NOSPACE of member ffffffffffffffff is on',
      "  warning: 2 keys lie outside /sensu.io/ and are not Sensu's",
      '  warning: not readable: user bob',
    ]);
  });
});

/** JSON.stringify refuses bigints: no number of 64 bits may be left as one, wherever it goes. */
const json = (value: unknown): string => JSON.stringify(value);

describe('as JSON', () => {
  it('it has numbers of 64 bits as strings, and ids in hex', async () => {
    const document = JSON.parse(json(inspectionJson(await snapshot('cluster3-6.12.0'), false))) as {
      etcd: { revision: string; members: { id: string }[] };
    };
    expect(document.etcd.revision).toBe('884');
    expect(document.etcd.members.map(({ id }) => id)).toContain('a5227d6d18885972');
  });
});
