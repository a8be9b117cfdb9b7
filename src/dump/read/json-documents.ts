import {
  countLines,
  largestDocument,
  OversizedDocument,
  type DocumentSplitter,
  type TextDocument,
} from './documents.js';
import { TextFault } from './place.js';

const [quote, backslash, comma, lineEnd] = [0x22, 0x5c, 0x2c, 0x0a];
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d];

/**
 * Cuts a dump of JSON into its objects: one after the other, one a line, or as the items of one list. It looks at
 * brackets and quotes alone; whether each is JSON is for `parseJson` to say.
 */
export class JsonSplitter implements DocumentSplitter {
  #pending: Buffer = Buffer.alloc(0);
  #at = 0;
  #line = 1;
  #depth = 0;
  #inText = false;
  readonly #list = new ListSeparators();

  *push(piece: Buffer): Iterable<TextDocument> {
    this.#pending = Buffer.concat([this.#pending, piece]);
    while (this.#depth > 0 || this.#findStart()) {
      if (!this.#findEnd()) break;
      yield this.#cut();
    }
    if (this.#pending.length > largestDocument) throw new OversizedDocument(this.#line);
  }

  *end(): Iterable<TextDocument> {
    if (this.#depth > 0) yield this.#cut();
    this.#list.end(this.#line);
  }

  /** Passes over what stands between objects. */
  #findStart(): boolean {
    for (; this.#at < this.#pending.length; this.#at += 1) {
      const byte = this.#pending[this.#at]!;
      if (byte === lineEnd) this.#line += 1;
      else if (!isBlank(byte) && this.#list.see(byte, this.#line)) {
        this.#pending = this.#pending.subarray(this.#at);
        this.#at = 0;
        return true;
      }
    }
    this.#pending = Buffer.alloc(0);
    this.#at = 0;
    return false;
  }

  #findEnd(): boolean {
    for (; this.#at < this.#pending.length; this.#at += 1) {
      const byte = this.#pending[this.#at]!;
      if (this.#inText) {
        if (byte === quote) this.#inText = false;
        else if (byte === backslash) this.#at += 1;
      } else if (byte === quote) this.#inText = true;
      else if (byte === openBrace || byte === openBracket) this.#depth += 1;
      else if (byte === closeBrace || byte === closeBracket) {
        this.#depth -= 1;
        if (this.#depth > 0) continue;
        this.#at += 1;
        return true;
      }
    }
    return false;
  }

  #cut(): TextDocument {
    const document = { bytes: this.#pending.subarray(0, this.#at), line: this.#line };
    if (document.bytes.length > largestDocument) throw new OversizedDocument(this.#line);
    this.#line += countLines(document.bytes);
    this.#pending = this.#pending.subarray(this.#at);
    this.#at = 0;
    this.#depth = 0;
    return document;
  }
}

/** What may stand between objects: nothing, or the brackets and commas of one list around all of them. */
class ListSeparators {
  #state: 'outside' | 'item or end' | 'item' | 'comma or end' | 'behind' | 'no list' = 'outside';

  /** Whether an object begins with this byte. @throws TextFault */
  see(byte: number, line: number): boolean {
    const state = this.#state;
    if (byte === openBrace && state !== 'comma or end' && state !== 'behind') {
      this.#state = state === 'outside' || state === 'no list' ? 'no list' : 'comma or end';
      return true;
    }
    if (byte === openBracket && state === 'outside') this.#state = 'item or end';
    else if (byte === comma && state === 'comma or end') this.#state = 'item';
    else if (byte === closeBracket && (state === 'comma or end' || state === 'item or end'))
      this.#state = 'behind';
    else
      throw new TextFault({ code: 'DUMP_NOT_JSON', fault: 'a resource in braces must stand here' }, line - 1);
    return false;
  }

  end(line: number): void {
    if (this.#state === 'item or end' || this.#state === 'item' || this.#state === 'comma or end') {
      throw new TextFault(
        { code: 'DUMP_NOT_JSON', fault: 'the list is not closed: the dump is cut short' },
        line - 1,
      );
    }
  }
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d || byte === lineEnd;
}
