import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openStore } from '../../../src/snapshot/open/open.js';
import { verifyArchive } from '../../../src/snapshot/verify/archive.js';
import { LayerRecord } from '../../../src/snapshot/verify/layers.js';
import { silentContext } from '../../support/silent-context.js';
import { namelessFilesIn } from '../../support/nameless-files.js';
import { snapshotFolder } from '../../support/stored-snapshots.js';
import { archiveOf, recordedPath } from '../verify/recorded.js';

// An archive may lie on a disk that is taken out, or on another machine: what is left of its copy on this disk can be
// read long after it was deleted.
it.each([
  { reader: 'openStore', open: openStore },
  {
    reader: 'verifyArchive',
    open: (path: string, context: ReturnType<typeof silentContext>) =>
      verifyArchive(context, path, {}, new LayerRecord('archive')),
  },
])('$reader unpacks an unencrypted archive into nothing in clear', async ({ open }) => {
  const [folder, temporary] = [snapshotFolder(), snapshotFolder()];
  const recorded = recordedPath('kitchen-sink-6.12.0');
  const path = join(folder, 'a.sferry');
  writeFileSync(path, await archiveOf(recorded));
  const opened = await open(path, { ...silentContext(), env: { TMPDIR: temporary } });
  try {
    const [spool, ...more] = namelessFilesIn(temporary);
    expect(more).toEqual([]);
    expect(spool).toHaveLength(readFileSync(recorded).length);
    expect(spool!.includes('/sensu.io/')).toBe(false);
    expect(readdirSync(temporary)).toEqual([]);
  } finally {
    opened.close();
  }
});
