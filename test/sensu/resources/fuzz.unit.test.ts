import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MalformedValueError } from '../../../src/protobuf/protobuf.js';
import { checkValue } from '../../../src/sensu/keys/value-check.js';
import { asApiShows } from '../../../src/sensu/resources/secrets.js';
import { toApiResource } from '../../../src/sensu/resources/to-api-resource.js';
import { stores, valuesOf, type Recorded } from './recorded.js';
import { runs } from '../../support/runs.js';

/** One of each kind of value that real backends have written, and a few more of the larger kinds. */
const samples = stores
  .flatMap(valuesOf)
  .filter(({ key, value }) => {
    return toApiResource(key, value) !== undefined;
  })
  .filter(({ key }, index, all) => all.findIndex((other) => other.key.group === key.group) > index - 40);

/** Decodes, or says that it cannot; anything else fails the test. */
function decodes({ key, value }: Recorded): boolean {
  try {
    asApiShows(toApiResource(key, value)!.resource);
    return true;
  } catch (error) {
    if (error instanceof MalformedValueError) return false;
    throw error;
  }
}

/** What verify says of a value must not fall over where the decoder does not, nor the other way round. */
function isChecked({ key, value }: Recorded): void {
  try {
    checkValue(key, value);
  } catch (error) {
    if (!(error instanceof MalformedValueError)) throw error;
  }
}

const sample = fc.constantFrom(...samples);
const places = fc.array(fc.tuple(fc.nat(4096), fc.nat(255)), { minLength: 1, maxLength: 4 });

describe('values with damage', () => {
  it('are decoded or refused, 60,000 with changed bytes', () => {
    fc.assert(
      fc.property(sample, places, ({ key, value }, changes) => {
        const damaged = Buffer.from(value);
        if (damaged.length === 0) return;
        for (const [at, byte] of changes) damaged[at % damaged.length] = byte;
        isChecked({ key, value: damaged });
        decodes({ key, value: damaged });
      }),
      { numRuns: runs(60_000) },
    );
  }, 180_000);

  it('are decoded or refused, 30,000 cut short or grown', () => {
    fc.assert(
      fc.property(sample, fc.nat(4096), fc.uint8Array({ maxLength: 20 }), ({ key, value }, length, tail) => {
        decodes({ key, value: Buffer.concat([value.subarray(0, length % (value.length + 1)), tail]) });
      }),
      { numRuns: runs(30_000) },
    );
  }, 180_000);

  it('are decoded or refused, 20,000 of any bytes, in JSON too', () => {
    const json = fc.json({ maxDepth: 4 }).map((text) => Buffer.from(`{"metadata":${text},"spec":${text}}`));
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
      json,
    );
    fc.assert(
      fc.property(sample, bytes, ({ key }, value) => {
        decodes({ key, value });
      }),
      { numRuns: runs(20_000) },
    );
  }, 180_000);

  it('are refused when JSON is nested beyond what fits the stack', () => {
    const deep = Buffer.from(`{"spec":${'['.repeat(200_000)}`);
    for (const { key } of samples) expect(decodes({ key, value: deep })).toBe(false);
  });
});
