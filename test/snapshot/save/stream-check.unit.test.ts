import { createHash, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StreamCheck } from '../../../src/snapshot/save/stream-check.js';

const body = randomBytes(8192);
const whole = Buffer.concat([body, createHash('sha256').update(body).digest()]);

function pass(bytes: Buffer, cuts: readonly number[]): ReturnType<StreamCheck['finish']> {
  const check = new StreamCheck();
  let from = 0;
  for (const cut of [...cuts.filter((at) => at < bytes.length)].sort((a, b) => a - b).concat(bytes.length)) {
    check.update(bytes.subarray(from, cut));
    from = cut;
  }
  return check.finish('https://etcd-1:2379');
}

const anyCuts = fc.array(fc.integer({ min: 0, max: whole.length }), { maxLength: 40 });

describe('stream check', () => {
  it('accepts a snapshot with its trailer, however it is cut into blobs', () => {
    fc.assert(
      fc.property(anyCuts, (cuts) => {
        expect(pass(whole, cuts)).toEqual({
          size: whole.length,
          sha256: createHash('sha256').update(whole).digest('hex'),
        });
      }),
    );
  });

  it('refuses a flipped bit, which the size test of etcdctl lets pass (etcd 18340)', () => {
    fc.assert(
      fc.property(anyCuts, fc.integer({ min: 0, max: whole.length - 1 }), (cuts, at) => {
        const damaged = Buffer.from(whole);
        damaged[at]! ^= 1;
        expect(() => pass(damaged, cuts)).toThrow(/does not match its sha256 trailer/);
      }),
    );
  });

  it('refuses a stream that ended early', () => {
    expect(() => pass(whole.subarray(0, -32), [])).toThrow(/ended before its trailer/);
    expect(() => pass(whole.subarray(0, 5000), [])).toThrow(/ended before its trailer/);
  });
});
