/** A part of a dump that is parsed by itself. */
export interface TextDocument {
  readonly bytes: Buffer;
  /** Its first line, from 1. */
  readonly line: number;
}

/** Cuts a dump that comes in pieces into documents. */
export interface DocumentSplitter {
  /** Those that end in this piece. */
  push(piece: Buffer): Iterable<TextDocument>;
  /** The last one, which nothing ends but the end of the dump. */
  end(): Iterable<TextDocument>;
}

/**
 * More than this is no resource: etcd's own limit for a request is 1.5 MB. It keeps a dump that lacks its
 * separators, or is something else, from filling the memory.
 */
export const largestDocument = 16 * 1024 * 1024;

/** @param line Of the document that is too large. */
export class OversizedDocument extends Error {
  override readonly name = 'OversizedDocument';
  readonly line: number;

  constructor(line: number) {
    super('A document is too large.');
    this.line = line;
  }
}

export function countLines(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(0x0a); at !== -1; at = bytes.indexOf(0x0a, at + 1)) lines += 1;
  return lines;
}
