import { closeSync, openSync, writeSync } from 'node:fs';

export type Pair = readonly [key: Buffer, value: Buffer];

const headerLength = 16;
const elementLength = 16;

interface Child {
  readonly firstKey: Buffer;
  readonly page: number;
}

/** Writes bbolt files: leaves and branches as full as `fill` says, page after page, so that any size is possible. */
export class BboltWriter {
  readonly pageSize: number;
  readonly #fd: number;
  /** Elements a page takes at most; small, it makes deep trees of little data. */
  readonly #fill: number;
  /** 0 and 1 are the meta pages, 2 the freelist. */
  #nextPage = 3;
  readonly #buckets: Pair[] = [];

  constructor(path: string, pageSize = 4096, fill = 1000) {
    this.#fd = openSync(path, 'w', 0o600);
    this.pageSize = pageSize;
    this.#fill = fill;
  }

  /** Buckets must come in byte order, and so must their pairs. */
  bucket(name: string, pairs: Iterable<Pair>): this {
    const root = Buffer.alloc(16);
    root.writeBigUInt64LE(BigInt(this.#tree(pairs, 0)));
    this.#buckets.push([Buffer.from(name), root]);
    return this;
  }

  /** A bucket inside its parent's leaf, as bbolt writes small ones. */
  inlineBucket(name: string, pairs: readonly Pair[]): this {
    this.#buckets.push([Buffer.from(name), Buffer.concat([Buffer.alloc(16), leafBytes(pairs, 0)])]);
    return this;
  }

  /** Writes the root and the meta pages; `txid` decides which of the two is the newer one. */
  finish(txid = 7n): void {
    const root = this.#tree(this.#buckets, 1);
    this.#writePage(2, page(0x10, 0, Buffer.alloc(0)));
    for (const [id, transaction] of [
      [0, txid],
      [1, txid - 1n],
    ] as const) {
      this.#writePage(id, this.#meta(root, transaction));
    }
    closeSync(this.#fd);
  }

  #tree(pairs: Iterable<Pair>, elementFlags: number): number {
    let children: Child[] = [];
    let pending: Pair[] = [];
    let length = headerLength;
    const flush = (): void => {
      const firstKey = pending[0]?.[0] ?? Buffer.alloc(0);
      children.push({ firstKey, page: this.#append(leafBytes(pending, elementFlags)) });
      pending = [];
      length = headerLength;
    };
    for (const pair of pairs) {
      const added = elementLength + pair[0].length + pair[1].length;
      if (pending.length > 0 && (length + added > this.pageSize || pending.length >= this.#fill)) flush();
      pending.push(pair);
      length += added;
    }
    if (pending.length > 0 || children.length === 0) flush();
    while (children.length > 1) children = this.#branches(children);
    return children[0]!.page;
  }

  #branches(children: readonly Child[]): Child[] {
    const parents: Child[] = [];
    for (let from = 0; from < children.length;) {
      let to = from;
      let length = headerLength;
      while (to < children.length && to - from < Math.max(2, this.#fill)) {
        length += elementLength + children[to]!.firstKey.length;
        if (to - from >= 2 && length > this.pageSize) break;
        to++;
      }
      const part = children.slice(from, to);
      parents.push({ firstKey: part[0]!.firstKey, page: this.#append(branchBytes(part)) });
      from = to;
    }
    return parents;
  }

  #append(bytes: Buffer): number {
    const id = this.#nextPage;
    this.#nextPage += this.#writePage(id, bytes);
    return id;
  }

  /** Fills in id and overflow, and returns the number of pages. */
  #writePage(id: number, bytes: Buffer): number {
    const count = Math.ceil(bytes.length / this.pageSize);
    const padded = Buffer.alloc(count * this.pageSize);
    bytes.copy(padded);
    padded.writeBigUInt64LE(BigInt(id), 0);
    padded.writeUInt32LE(count - 1, 12);
    writeSync(this.#fd, padded, 0, padded.length, id * this.pageSize);
    return count;
  }

  #meta(root: number, txid: bigint): Buffer {
    const meta = Buffer.alloc(64);
    meta.writeUInt32LE(0xed0cdaed, 0);
    meta.writeUInt32LE(2, 4);
    meta.writeUInt32LE(this.pageSize, 8);
    meta.writeBigUInt64LE(BigInt(root), 16);
    meta.writeBigUInt64LE(2n, 32);
    meta.writeBigUInt64LE(BigInt(this.#nextPage), 40);
    meta.writeBigUInt64LE(txid, 48);
    let hash = 0xcbf29ce484222325n;
    for (const byte of meta.subarray(0, 56)) {
      hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
    }
    meta.writeBigUInt64LE(hash, 56);
    return page(0x04, 0, meta);
  }
}

function page(flags: number, count: number, body: Buffer): Buffer {
  const bytes = Buffer.alloc(headerLength + body.length);
  bytes.writeUInt16LE(flags, 8);
  bytes.writeUInt16LE(count, 10);
  body.copy(bytes, headerLength);
  return bytes;
}

function leafBytes(pairs: readonly Pair[], elementFlags: number): Buffer {
  const elements = Buffer.alloc(pairs.length * elementLength);
  let position = elements.length;
  for (const [i, [key, value]] of pairs.entries()) {
    const at = i * elementLength;
    elements.writeUInt32LE(elementFlags, at);
    elements.writeUInt32LE(position - at, at + 4);
    elements.writeUInt32LE(key.length, at + 8);
    elements.writeUInt32LE(value.length, at + 12);
    position += key.length + value.length;
  }
  return page(0x02, pairs.length, Buffer.concat([elements, ...pairs.flat()]));
}

function branchBytes(children: readonly Child[]): Buffer {
  const elements = Buffer.alloc(children.length * elementLength);
  let position = elements.length;
  for (const [i, { firstKey, page: id }] of children.entries()) {
    const at = i * elementLength;
    elements.writeUInt32LE(position - at, at);
    elements.writeUInt32LE(firstKey.length, at + 4);
    elements.writeBigUInt64LE(BigInt(id), at + 8);
    position += firstKey.length;
  }
  return page(0x01, children.length, Buffer.concat([elements, ...children.map(({ firstKey }) => firstKey)]));
}
