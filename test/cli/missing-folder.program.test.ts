import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writePasswordFile } from '../../src/rbac/password-file.js';
import { writeTextfile } from '../../src/snapshot/save/textfile.js';
import { failureOf } from '../support/ferry-error.js';
import { expectFailure, ferry, testFolder } from '../support/ferry.js';

/** A folder with a file `taken` in it. */
async function folderWithFile(): Promise<string> {
  const folder = await testFolder();
  await writeFile(join(folder, 'taken'), '');
  return folder;
}

/** The system's errors named the file that was to be opened, `dump.yml.part`, or nothing at all. */
describe('a folder that cannot be written into', () => {
  /** Each source is missing, too, and would take its time were it there: what is said is said before it is looked for. */
  it.each([
    ['dump --from none.db --output', 'x/y/dump.yml', 'There is no folder {}/x/y.', 'FOLDER_UNUSABLE'],
    ['dump --from none.db --output', 'taken/dump.yml', '{}/taken is not a folder.', 'FOLDER_UNUSABLE'],
    ['dump --from none.db --split --output', 'taken/sub', '{}/taken is not a folder.', 'FOLDER_UNUSABLE'],
    ['dump --from none.db --split --output', 'taken', '{}/taken is not a folder.', 'FOLDER_UNUSABLE'],
    ['snapshot save --data-dir none --to', 'x/y', 'There is no folder {}/x/y.', 'LOCATION_MISSING'],
    ['snapshot save --data-dir none --to', 'taken', '{}/taken is not a folder.', 'LOCATION_MISSING'],
    [
      'snapshot save --endpoints http://127.0.0.1:1 --to',
      'x',
      'There is no folder {}/x.',
      'LOCATION_MISSING',
    ],
    ['demo --dir', 'taken/demo', '{}/taken is not a folder.', 'FOLDER_UNUSABLE'],
    [
      'migrate embedded-to-external --endpoints http://127.0.0.1:1 --plan --run-dir',
      'taken/run/1',
      '{}/taken is not a directory.',
      'RUN_DIRECTORY_UNUSABLE',
    ],
  ])('is named by %s, before the source is read', async (command, path, sentence, code) => {
    const folder = await folderWithFile();
    const ended = await ferry([...command.split(' '), join(folder, path)], { cwd: folder });
    expectFailure(ended, 2, code);
    expect(ended.stderr).toContain(sentence.replace('{}', folder));
    expect(await readdir(folder)).toEqual(['taken']);
  });

  it('is named where a password or metrics are to lie in it', async () => {
    const folder = await folderWithFile();
    const password = await failureOf(writePasswordFile(join(folder, 'none', 'password'), 'x'));
    expect(password.message).toContain(`There is no folder ${folder}/none.`);
    const at = new Date();
    const metrics = writeTextfile(
      join(folder, 'taken', 'ferry.prom'),
      { startedAt: at, endedAt: at, saved: undefined, labels: {} },
      new AbortController().signal,
    );
    expect((await failureOf(metrics)).message).toContain(`${folder}/taken is not a folder.`);
  });
});
