import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { refuseUnverifiable, verifySaved } from '../../src/cli/save-verified.js';
import { silentContext } from '../support/silent-context.js';
import { snapshotFolder } from '../support/stored-snapshots.js';
import { recordedPath } from '../snapshot/verify/recorded.js';

it('what the disk gives back damaged was not saved', async () => {
  const path = join(snapshotFolder(), 'sensu-9080c059-20260801T041500Z-r260.db');
  const bytes = readFileSync(recordedPath('single-6.7.5'));
  writeFileSync(path, bytes);
  await verifySaved(silentContext(), path, { to: path }, undefined);
  bytes[100_000]! ^= 1;
  writeFileSync(path, bytes);
  await expect(verifySaved(silentContext(), path, { to: path }, undefined)).rejects.toMatchObject({
    kind: 'integrity',
    code: 'SNAPSHOT_NOT_GOOD',
  });
});

it('what cannot be read back is refused before it is saved', () => {
  const refused = expect.objectContaining({ kind: 'usage', code: 'VERIFY_UNUSABLE' }) as Error;
  const forSomebody = { recipients: ['age1x'] } as const;
  expect(() => {
    refuseUnverifiable({ verify: true, to: '-' }, undefined);
  }).toThrow(refused);
  expect(() => {
    refuseUnverifiable({ verify: true, to: '/backups' }, forSomebody);
  }).toThrow(refused);
  refuseUnverifiable({ to: '/backups' }, forSomebody);
  refuseUnverifiable({ verify: true, to: '/backups' }, { passphrase: 'secret' });
});
