import { FerryError, type FailureKind } from '../../core/errors.js';

/** Where in a dump something stands. */
export interface Place {
  /** As it was given; `-` for standard input. */
  readonly file: string;
  /** From 1; those that hold nothing are not counted. */
  readonly document: number;
  /** From 1: the first line of the document, or the very line of a fault. */
  readonly line: number;
  /** From 1, when the document is a list. */
  readonly item?: number;
  /** Such as `CheckConfig default/disk`, of a document that cannot be parsed. */
  readonly resource?: string | undefined;
}

/** Such as `dump.yml, document 3, line 41`. */
export function showPlace({ file, document, line, item, resource }: Place): string {
  const inList = item === undefined ? '' : `, item ${item}`;
  const of = resource === undefined ? '' : ` (${resource})`;
  return `${showFile(file)}, document ${document}${inList}, line ${line}${of}`;
}

export function showFile(file: string): string {
  return file === '-' ? 'standard input' : file;
}

export interface DumpFault {
  readonly code: string;
  /** Completes a sentence that begins with the place, such as `a key is there twice`. Quotes no value. */
  readonly fault: string;
  readonly hint?: string;
  readonly kind?: FailureKind;
  readonly cause?: unknown;
}

const defaultHint = 'Mend the dump, or make it again; nothing was changed.';

export function dumpError(place: Place, { code, fault, hint, kind, cause }: DumpFault): FerryError {
  return new FerryError({
    kind: kind ?? 'source',
    code,
    message: `${showPlace(place)}: ${fault}.`,
    hint: hint ?? defaultHint,
    cause,
  });
}

/** A fault of a file as a whole. */
export function fileError(
  file: string,
  fault: string,
  { code, hint, kind, cause }: Omit<DumpFault, 'fault'>,
): FerryError {
  return new FerryError({
    kind: kind ?? 'source',
    code,
    message: `${showFile(file)} ${fault}.`,
    hint: hint ?? defaultHint,
    cause,
  });
}

/** A fault that a reader of text has found in it. */
export class TextFault extends Error {
  override readonly name = 'TextFault';
  readonly fault: Omit<DumpFault, 'cause'>;
  /** From 0, within the text. */
  readonly line: number;

  constructor(fault: Omit<DumpFault, 'cause'>, line: number) {
    super(fault.fault);
    this.fault = fault;
    this.line = line;
  }
}
