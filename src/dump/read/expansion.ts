import type { ApiValue } from '../../sensu/resources/api-value.js';
import { TextFault } from './place.js';

/** Values in a document with all aliases written out. The largest resources of Sensu have some thousands. */
const mostValues = 200_000;

/**
 * Refuses a document that a few aliases of aliases blow up to billions of values, or whose aliases stand within
 * their own anchors. The reader shares what an alias stands for, so that until here nothing was written out.
 * @throws TextFault
 */
export function checkExpansion(document: ApiValue | undefined): void {
  const sizes = new Map<object, number>();
  if (document !== undefined) sizeOf(document, sizes);
}

/** Marks what is being measured. */
const unfinished = -1;

function sizeOf(value: ApiValue, sizes: Map<object, number>): number {
  if (typeof value !== 'object' || value === null) return 1;
  const known = sizes.get(value);
  if (known === unfinished) throw tooLarge('an alias stands within its own anchor');
  if (known !== undefined) return known;
  sizes.set(value, unfinished);
  const size = Object.values(value).reduce<number>((sum, part: ApiValue) => sum + sizeOf(part, sizes), 1);
  if (size > mostValues) throw tooLarge('its aliases would blow up to more than any resource holds');
  sizes.set(value, size);
  return size;
}

function tooLarge(fault: string): TextFault {
  return new TextFault(
    { code: 'DUMP_TOO_LARGE', fault, hint: 'Write out what the aliases (*) stand for.' },
    0,
  );
}
