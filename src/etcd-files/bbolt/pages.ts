/** bbolt's page flags. */
export const pageKind = { branch: 0x01, leaf: 0x02, freelist: 0x10 } as const;

export const headerLength = 16;
export const elementLength = 16;

export interface PageHeader {
  readonly id: number;
  readonly flags: number;
  /** Number of elements. */
  readonly count: number;
  /** Number of further pages that this one runs on into. */
  readonly overflow: number;
}

export function readPageHeader(bytes: Buffer, at: number): PageHeader {
  return {
    id: Number(bytes.readBigUInt64LE(at)),
    flags: bytes.readUInt16LE(at + 8),
    count: bytes.readUInt16LE(at + 10),
    overflow: bytes.readUInt32LE(at + 12),
  };
}

/** A checked leaf page; its elements are read by the functions below, which trust that check. */
export interface LeafPage {
  readonly bytes: Buffer;
  /** Always 0; tells a leaf from a branch. */
  readonly pos: 0;
  readonly count: number;
  /** Where the page lies in the file: position in `bytes` plus this is the position in the file. */
  readonly offset: number;
  readonly id: number;
}

/** Children of a branch page and the key that each begins with. */
export interface BranchElements {
  readonly children: readonly number[];
  readonly keys: readonly Buffer[];
}

/** Copied out of the page, as the window moves on while the children are visited. */
export function branchElements(bytes: Buffer, count: number, fail: (what: string) => Error): BranchElements {
  if (count === 0) throw fail('is a branch without children');
  let dataStart = headerLength + count * elementLength;
  if (dataStart > bytes.length) throw fail(`is too short for its ${count} elements`);
  const children: number[] = [];
  const keys: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    const element = headerLength + i * elementLength;
    const start = element + bytes.readUInt32LE(element);
    const end = start + bytes.readUInt32LE(element + 4);
    if (start < dataStart || end > bytes.length) throw fail(`has element ${i} outside its bounds`);
    const key = Buffer.from(bytes.subarray(start, end));
    if (i > 0 && Buffer.compare(keys[i - 1]!, key) >= 0) throw fail(`has element ${i} out of order`);
    children.push(Number(bytes.readBigUInt64LE(element + 8)));
    keys.push(key);
    dataStart = end;
  }
  return { children, keys };
}

/**
 * Checks that every element lies inside the page, that none shares bytes with another, and that the keys
 * ascend. Elements that overlap would let a few bytes stand for gigabytes.
 */
export function checkLeaf(leaf: LeafPage, fail: (what: string) => Error): void {
  const { bytes, count } = leaf;
  let dataStart = headerLength + count * elementLength;
  if (dataStart > bytes.length) throw fail(`is too short for its ${count} elements`);
  let lastStart = 0;
  let lastEnd = 0;
  for (let i = 0; i < count; i++) {
    const element = headerLength + i * elementLength;
    const start = element + bytes.readUInt32LE(element + 4);
    const end = start + bytes.readUInt32LE(element + 8);
    const valueAt = end + bytes.readUInt32LE(element + 12);
    if (start < dataStart || valueAt > bytes.length) throw fail(`has element ${i} outside its bounds`);
    if (i > 0 && compareWithin(bytes, lastStart, lastEnd, start, end) >= 0) {
      throw fail(`has element ${i} out of order`);
    }
    dataStart = valueAt;
    lastStart = start;
    lastEnd = end;
  }
}

/** Byte order of two ranges of one buffer. Short keys make this faster than a call into `Buffer.compare`. */
function compareWithin(bytes: Buffer, a: number, aEnd: number, b: number, bEnd: number): number {
  while (a < aEnd && b < bEnd) {
    const difference = bytes[a++]! - bytes[b++]!;
    if (difference !== 0) return difference;
  }
  return aEnd - a - (bEnd - b);
}

export function elementFlags(leaf: LeafPage, i: number): number {
  return leaf.bytes.readUInt32LE(headerLength + i * elementLength);
}

/** Position in `leaf.bytes`; so are the two below. */
export function keyStart(leaf: LeafPage, i: number): number {
  const element = headerLength + i * elementLength;
  return element + leaf.bytes.readUInt32LE(element + 4);
}

/** Also where the value begins. */
export function keyEnd(leaf: LeafPage, i: number): number {
  const element = headerLength + i * elementLength;
  return element + leaf.bytes.readUInt32LE(element + 4) + leaf.bytes.readUInt32LE(element + 8);
}

export function valueEnd(leaf: LeafPage, i: number): number {
  return keyEnd(leaf, i) + leaf.bytes.readUInt32LE(headerLength + i * elementLength + 12);
}
