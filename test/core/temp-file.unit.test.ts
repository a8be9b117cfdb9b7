import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { TempFile } from '../../src/core/temp-file.js';
import { namelessFilesIn } from '../support/nameless-files.js';

const folder = mkdtempSync(join(tmpdir(), 'sensu-ferry-temp-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe('a temporary file', () => {
  const content = Buffer.concat([Buffer.alloc(50_000, 'secret'), randomBytes(50_003)]);

  it.each(['sealed', 'plain'] as const)(
    '%s gives back any part of what was written in any pieces',
    (kind) => {
      const file = new TempFile(folder, kind);
      for (let at = 0; at < content.length; at += 7_777) {
        const piece = content.subarray(at, at + 7_777);
        file.append(Buffer.concat([piece, Buffer.from('not this')]), piece.length);
      }
      expect(file.length).toBe(content.length);
      fc.assert(
        fc.property(fc.nat(content.length + 40), fc.nat(40_000), (offset, length) => {
          const target = Buffer.alloc(length + 2, '.');
          const got = file.read(target, 1, length, offset);
          const wanted = content.subarray(offset, offset + length);
          expect(got).toBe(wanted.length);
          expect(target.subarray(1, 1 + got).equals(wanted)).toBe(true);
          // Nothing beside it is touched.
          expect([target[0], target.at(-1)]).toEqual([46, 46]);
        }),
      );
      file.close();
    },
  );

  it('has no name, and holds nothing in clear when it is sealed', () => {
    const file = new TempFile(folder, 'sealed');
    file.append(content, content.length);
    expect(readdirSync(folder)).toEqual([]);
    const [onDisk] = namelessFilesIn(folder);
    expect(onDisk).toHaveLength(content.length);
    expect(onDisk!.includes('secret')).toBe(false);
    file.close();
  });
});
