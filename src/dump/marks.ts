import { fileError } from './read/place.js';

/**
 * The first and the last line of a dump in YAML, which are comments: one that was cut between two resources would
 * otherwise pass for a whole one. Those by sensuctl have neither. JSON has no comments.
 */
export const headMark = '# Dump by sensu-ferry. It is whole if its last line says "End of dump".\n';

/** The full stop shows that no digit of the count is missing. */
export function endMark(resources: number): string {
  return `# End of dump: ${resources} resource${resources === 1 ? '' : 's'}.\n`;
}

const headForm = /^\ufeff?# Dump by sensu-ferry\b/;
const endForm = /(?:^|\n)# End of dump: (\d+) resources?\.\s*$/;
/** More than either mark, with blank lines that an editor has added, takes. */
const markLength = 200;

/** Sees a dump pass by, and tells whether it is whole. */
export class MarkReader {
  readonly #path: string;
  #head = Buffer.alloc(0);
  #tail = Buffer.alloc(0);
  #promised: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Passes the pieces on. @throws FerryError DUMP_CUT (`source`) behind the last, when the end mark is missing */
  async *watch(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of pieces) {
      const missing = markLength - this.#head.length;
      if (missing > 0) this.#head = Buffer.concat([this.#head, piece.subarray(0, missing)]);
      this.#tail = Buffer.concat([this.#tail, piece.subarray(-markLength)]).subarray(-markLength);
      yield piece;
    }
    if (!headForm.test(this.#head.toString('utf8'))) return;
    const end = endForm.exec(this.#tail.toString('utf8'));
    if (end === null) throw cut(this.#path);
    this.#promised = Number(end[1]);
  }

  /** How many resources the end mark speaks of, if it is not this many. */
  otherCount(resources: number): number | undefined {
    return this.#promised === resources ? undefined : this.#promised;
  }
}

function cut(path: string) {
  return fileError(path, 'is cut short: its end mark is missing', {
    code: 'DUMP_CUT',
    hint: 'Take a whole copy. If you cut it yourself, take out its first line, the comment of sensu-ferry.',
  });
}
