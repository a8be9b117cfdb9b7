import {
  countLines,
  largestDocument,
  OversizedDocument,
  type DocumentSplitter,
  type TextDocument,
} from './documents.js';

const separator = Buffer.from('\n---');

/**
 * Cuts at lines that begin with `---`, which YAML allows nowhere inside a document, not even in a text. What is
 * before the first line of a document, such as `%YAML 1.2`, stays with it.
 */
export class YamlSplitter implements DocumentSplitter {
  #pending: Buffer = Buffer.alloc(0);
  /** Where to look on for a separator. */
  #from = 0;
  #line = 1;

  *push(piece: Buffer): Iterable<TextDocument> {
    this.#pending = Buffer.concat([this.#pending, piece]);
    for (let at = this.#nextSeparator(); at !== -1; at = this.#nextSeparator()) {
      if (isPreamble(this.#pending.subarray(0, at))) this.#from = at + separator.length;
      else yield this.#cut(at + 1);
    }
    this.#from = Math.max(this.#from, this.#pending.length - separator.length);
    if (this.#pending.length > largestDocument) throw new OversizedDocument(this.#line);
  }

  *end(): Iterable<TextDocument> {
    yield this.#cut(this.#pending.length);
  }

  #nextSeparator(): number {
    for (;;) {
      const at = this.#pending.indexOf(separator, this.#from);
      if (at === -1) return -1;
      const behind = this.#pending[at + separator.length];
      // Of a separator at the end of a piece the next piece decides whether it is one.
      if (behind === undefined) return -1;
      if (behind === 0x0a || behind === 0x0d || behind === 0x20 || behind === 0x09) return at;
      this.#from = at + separator.length;
    }
  }

  #cut(end: number): TextDocument {
    const document = { bytes: this.#pending.subarray(0, end), line: this.#line };
    if (document.bytes.length > largestDocument) throw new OversizedDocument(this.#line);
    this.#line += countLines(document.bytes);
    this.#pending = this.#pending.subarray(end);
    this.#from = 0;
    return document;
  }
}

/** Directives and remarks alone: the separator that follows begins their document, instead of ending it. */
function isPreamble(bytes: Buffer): boolean {
  if (bytes.length > 4096 || !bytes.includes('%')) return false;
  return bytes
    .toString('utf8')
    .split('\n')
    .every((line) => /^(%|\s*(#|$))/.test(line));
}
