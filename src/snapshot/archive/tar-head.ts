import { Header } from 'tar/header';

/** Bytes of a tar's blocks. */
export const blockSize = 512;

/** The block before an entry of an archive: it has no other form, so that a reader sees any change to it. */
export function entryHead(path: string, size: number, modified: Date): Buffer {
  const head = Buffer.alloc(blockSize);
  new Header({ path, size, mode: 0o600, mtime: modified, type: 'File' }).encode(head);
  return head;
}

export interface EntryHead {
  readonly path: string;
  readonly size: number;
  readonly modified: Date;
}

/** What a block says of the entry behind it; undefined for a block that is none such, or is damaged. */
export function readHead(block: Buffer): EntryHead | undefined {
  try {
    const { cksumValid, path, size = 0, mtime = new Date(0) } = new Header(block);
    if (!cksumValid || path === undefined || !Number.isSafeInteger(size) || size < 0) return undefined;
    return { path, size, modified: mtime };
  } catch {
    // The parser throws what has no class of its own at numbers that are none.
    return undefined;
  }
}
