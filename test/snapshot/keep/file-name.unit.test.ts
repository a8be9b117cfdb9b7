import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { factsInName, fileName, takeFreeName } from '../../../src/snapshot/keep/file-name.js';
import { writeWhole } from '../../../src/snapshot/save/write-whole.js';
import { DirectoryStorage } from '../../../src/storage/directory.js';
import { openStorage } from '../../../src/storage/open.js';
import { silentContext } from '../../support/silent-context.js';
import { contentOf, namesIn } from '../../storage/contract.js';
import { oddServer } from '../../storage/s3/odd-server.js';

const facts = { series: 'sensu-1a2b3c4d', createdAt: new Date('2026-08-01T02:00:00Z'), revision: 5120n };
const name = `${fileName(facts)}.db`;

async function openFolder(): Promise<DirectoryStorage> {
  const folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-names-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return new DirectoryStorage(folder);
}

describe('the name of a snapshot', () => {
  it('tells series, time and revision, also with a number behind them', () => {
    expect(name).toBe('sensu-1a2b3c4d-20260801T020000Z-r5120.db');
    for (const found of [name, name.replace('.db', '-2.db'), name.replace('.db', '.sferry')]) {
      expect(factsInName(found)).toEqual(facts);
    }
  });

  it.each(['member.db', 'sensu-20269999T999999Z-r1.db', '-20260801T020000Z-r1.db'])('is not %s', (other) => {
    expect(factsInName(other)).toBeUndefined();
  });
});

describe('two saves of one revision in one second', () => {
  const names = [name, name.replace('.db', '-2.db'), name.replace('.db', '-3.db')].sort();

  it('have names of their own in a bucket, where the name is chosen before the first byte', async () => {
    const server = await oddServer({});
    onTestFinished(() => server.stop());
    const storage = await openStorage('s3://backups', server.env);
    for (const text of ['one', 'two', 'three']) {
      await writeWhole(silentContext(), storage, name, async (writer) => {
        await writer.write(Buffer.from(text));
        return {};
      });
    }
    expect(await namesIn(storage)).toEqual(names);
    expect(String(await contentOf(storage, names[0]!))).toBe('two');
  });

  it('have names of their own in a folder, where it is chosen last', async () => {
    const storage = await openFolder();
    for (const text of ['one', 'two', 'three']) {
      const writer = await storage.create('snapshot.db', silentContext().signal);
      await writer.write(Buffer.from(text));
      await takeFreeName(name, (free) => writer.rename(free));
      await writer.commit();
    }
    expect((await readdir(storage.location)).sort()).toEqual(names);
  });
});
