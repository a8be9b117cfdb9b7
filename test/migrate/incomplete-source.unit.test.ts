import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { differenceStep } from '../../src/migrate/copy/difference.js';
import type { StepContext } from '../../src/migrate/engine/strategy.js';
import { unpackFixture } from '../support/unpack.js';
import { silentContext } from '../support/silent-context.js';

/** The trap: what the other members acknowledged would be lost, and every proof against the one directory would hold. */
test('the difference is not taken from one of several members', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'incomplete-source-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  unpackFixture('stopped-members/killed-leader-first.tar.gz', folder);
  const step = { context: silentContext(), source: { dataDirectory: join(folder, 'm1') } };
  await expect(differenceStep.run(step as unknown as StepContext)).rejects.toMatchObject({
    code: 'SOURCE_INCOMPLETE',
  });
});
