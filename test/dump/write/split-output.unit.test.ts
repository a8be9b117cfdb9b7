import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { framings } from '../../../src/dump/framing.js';
import { SplitOutput } from '../../../src/dump/write/split-output.js';
import { failureOf } from '../../support/ferry-error.js';

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-split-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

async function split(path: string, replace = false): Promise<void> {
  const output = await SplitOutput.create(path, { framing: framings.yaml, ending: '.yml', replace });
  try {
    await output.write('type: CheckConfig\n', { type: 'CheckConfig', namespace: 'ops', name: 'disk' });
    await output.finish();
  } catch (error) {
    await output.abandon();
    throw error;
  }
}

const file = join('namespaces', 'ops', 'checks.yml');

describe('the folder of a dump that is split', () => {
  /** The README's own line ended with ENOENT, for its slash. */
  it.each(['sensu', 'sensu/', 'sensu//', 'backups/2026/sensu', './sensu/.'])('is made: %s', async (name) => {
    const folder = await newFolder();
    await split(`${folder}/${name}`);
    expect(await readFile(join(folder, name, file), 'utf8')).toContain('type: CheckConfig');
    expect((await readdir(join(folder, name, '..'))).sort()).toEqual(['sensu']);
  });

  it('is the one that a link leads to', async () => {
    const folder = await newFolder();
    await mkdir(join(folder, 'real'));
    await symlink('real', join(folder, 'link'));
    await split(join(folder, 'link'));
    expect(await readdir(join(folder, 'real'))).toEqual(['namespaces']);
  });

  it('is not made in the place of a link that leads nowhere', async () => {
    const folder = await newFolder();
    await symlink('nowhere', join(folder, 'link'));
    expect(await failureOf(split(join(folder, 'link'), true))).toMatchObject({ code: 'FILE_EXISTS' });
  });

  /** Whoever may write into the folder had files written and deleted elsewhere, as root. */
  it.each(['namespaces', join('namespaces', 'ops')])(
    'is refused where %s within it is a link, and nothing is written or deleted behind it',
    async (name) => {
      const folder = await newFolder();
      const [output, elsewhere] = [join(folder, 'sensu'), join(folder, 'elsewhere')];
      await split(output);
      await mkdir(join(elsewhere, 'ops'), { recursive: true });
      await writeFile(join(elsewhere, 'old.yml'), 'mine');
      await rm(join(output, name), { recursive: true });
      await symlink(elsewhere, join(output, name));
      expect(await failureOf(split(output, true))).toMatchObject({ kind: 'refused', code: 'LINK_IN_FOLDER' });
      expect((await readdir(elsewhere, { recursive: true })).sort()).toEqual(['old.yml', 'ops']);
      expect((await readdir(folder)).sort()).toEqual(['elsewhere', 'sensu']);
    },
  );
});
