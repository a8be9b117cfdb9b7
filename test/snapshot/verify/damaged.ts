import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { LayerName, LayerResult } from '../../../src/snapshot/verify/layers.js';
import { verifyFile, type FileVerification } from '../../../src/snapshot/verify/verify.js';
import { silentContext } from '../../support/silent-context.js';

/** A path that goes with the test. */
export function testPath(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'sensu-ferry-verify-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  return join(folder, name);
}

export async function verifyBytes(bytes: Buffer, name = 'snapshot.db'): Promise<FileVerification> {
  const path = testPath(name);
  writeFileSync(path, bytes);
  return verifyFile(silentContext(), path);
}

export function layerOf({ layers }: FileVerification, name: LayerName): LayerResult {
  return layers.find(({ layer }) => layer === name)!;
}

/** The findings of a layer in words, each with its place. */
export function found(verification: FileVerification, name: LayerName): string[] {
  return layerOf(verification, name).findings.map(({ what, page, revision, key }) =>
    [page === undefined ? [] : `page ${page}`, key ?? [], revision ?? [], what].flat().join(': '),
  );
}
