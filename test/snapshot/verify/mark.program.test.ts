import { copyFileSync, mkdirSync, readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Context } from '../../../src/core/context.js';
import { verifyAndNote } from '../../../src/snapshot/verify/mark.js';
import { fixture } from '../../support/ferry.js';
import { silentContext } from '../../support/silent-context.js';
import { snapshotFolder } from '../../support/stored-snapshots.js';

const name = 'sensu-9080c059-20260801T021500Z-r260.db';

function stored(): { readonly folder: string; readonly path: string } {
  const folder = snapshotFolder();
  copyFileSync(fixture('single-6.7.5/snapshot.db'), join(folder, name));
  return { folder, path: join(folder, name) };
}

function listening(): { readonly context: Context; readonly warnings: string[] } {
  const warnings: string[] = [];
  const context = silentContext();
  return {
    context: { ...context, report: { ...context.report, warn: (text) => warnings.push(text) } },
    warnings,
  };
}

it('a snapshot that is good gets a note', async () => {
  const { folder, path } = stored();
  expect(await verifyAndNote(silentContext(), path, {}, 'test')).toMatchObject({ ok: true });
  expect(readdirSync(folder)).toEqual([name, `${name}.verified.json`]);
});

it('a file that takes its place while it is verified gets none', async () => {
  const { folder, path } = stored();
  const { context, warnings } = listening();
  // What is verified is open by then.
  const swap = (): Promise<object> => {
    copyFileSync(fixture('single-6.7.5/snapshot.db'), path);
    utimesSync(path, 1, 1);
    return Promise.resolve({});
  };
  const verification = await verifyAndNote(context, path, { deep: swap as never }, 'test');
  expect(verification).toMatchObject({ ok: true });
  expect(warnings).toEqual([expect.stringContaining('was changed or replaced while it was verified')]);
  expect(readdirSync(folder)).toEqual([name]);
});

it('a verdict that cannot be noted is a warning', async () => {
  const { folder, path } = stored();
  const { context, warnings } = listening();
  // For root, too, nothing is put in the place of a folder.
  mkdirSync(join(folder, `${name}.verified.json`));
  expect(await verifyAndNote(context, path, {}, 'test')).toMatchObject({ ok: true });
  expect(warnings).toEqual([expect.stringContaining('It cannot be noted beside')]);
});
