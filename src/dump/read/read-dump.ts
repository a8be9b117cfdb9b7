import type { Context } from '../../core/context.js';
import type { DecryptionKeys } from '../../age/encryption.js';
import { largestDocument, OversizedDocument, type DocumentSplitter, type TextDocument } from './documents.js';
import { isApiList, type ApiValue } from '../../sensu/resources/api-value.js';
import { MarkReader } from '../marks.js';
import { filesOfDump, type DumpFile } from './files.js';
import { JsonSplitter } from './json-documents.js';
import { parseJson } from './json-value.js';
import { dumpError, fileError, showFile, showPlace, TextFault, type Place } from './place.js';
import { resourceNamedIn } from './named-in-text.js';
import { isSingle, readResource, showResource, type DumpResource } from './resource.js';
import { YamlSplitter } from './yaml-documents.js';
import { parseYaml } from './yaml-value.js';

/** How to get at a dump that does not lie in clear. */
export interface DumpAccess {
  readonly keys?: DecryptionKeys;
}

const noKeys: DecryptionKeys = { identities: [], passphrases: [] };

/**
 * The resources of a dump in its own order: of a file, of a folder with one file a namespace and kind, or of
 * standard input for `-`; YAML documents or JSON, in clear or as an age file. One document is in memory at a time.
 * @throws FerryError with file, document and line: DUMP_NOT_FOUND, DUMP_EMPTY, DUMP_NOT_TEXT, DUMP_NOT_YAML,
 * DUMP_NOT_JSON, DUMP_TOO_LARGE, DUMP_UNUSABLE, DUMP_DUPLICATE, DUMP_CUT (`source`), DUMP_ENCRYPTED, KEY_DOES_NOT_FIT
 * (`denied`), DUMP_DAMAGED (`integrity`)
 */
export async function* readDump(
  path: string,
  context: Context,
  { keys = noKeys }: DumpAccess = {},
): AsyncGenerator<DumpResource> {
  const seen = new Map<string, Place>();
  let isEmpty = true;
  for (const file of await filesOfDump(path, context, keys)) {
    for await (const resource of resourcesOf(file, context)) {
      isEmpty = false;
      refuseDuplicate(resource, seen);
      yield resource;
    }
  }
  if (isEmpty) {
    throw fileError(path, 'holds no resource', {
      code: 'DUMP_EMPTY',
      hint: 'Give what sensuctl dump or sensu-ferry dump has written.',
    });
  }
}

/** The resources of one file of a dump, or of what a program writes: see `readDump`. */
export async function* resourcesOf(file: DumpFile, context: Context): AsyncGenerator<DumpResource> {
  const marks = new MarkReader(file.path);
  const watched = { ...file, pieces: () => marks.watch(file.pieces()) };
  let document = 0;
  let resources = 0;
  for await (const [value, line] of valuesOf(watched, context, () => document + 1)) {
    if (value === null || value === undefined) continue;
    document += 1;
    for (const resource of resourcesIn(value, { file: file.path, document, line })) {
      resources += 1;
      yield resource;
    }
  }
  const promised = marks.otherCount(resources);
  if (promised !== undefined) {
    context.report.warn(
      `${showFile(file.path)} holds ${resources} resources, and its last line says ${promised}: was it changed by hand?`,
    );
  }
}

/** A document is a resource, or a list of some. */
function* resourcesIn(value: ApiValue, place: Place): Generator<DumpResource> {
  if (!isApiList(value)) yield readResource(value, place);
  else for (const [index, item] of value.entries()) yield readResource(item, { ...place, item: index + 1 });
}

/** Each document as a value, with its first line. */
async function* valuesOf(
  file: DumpFile,
  context: Context,
  number: () => number,
): AsyncGenerator<readonly [ApiValue | undefined, number]> {
  const place = (line: number): Place => ({ file: file.path, document: number(), line });
  for await (const { text, line, isJson } of textsOf(file, context, place)) {
    context.signal.throwIfAborted();
    const values = inPlace(
      () => (isJson ? [parseJson(text)] : parseYaml(text)),
      (within) => ({ ...place(line + within), resource: resourceNamedIn(text) }),
    );
    for (const value of values) yield [value, isJson ? line : line + blankLinesBefore(text)];
  }
}

interface Text {
  readonly text: string;
  readonly line: number;
  readonly isJson: boolean;
}

async function* textsOf(
  file: DumpFile,
  context: Context,
  place: (line: number) => Place,
): AsyncGenerator<Text> {
  let splitter: DocumentSplitter | undefined;
  let isJson = false;
  let lastByte: number | undefined;
  const asText = ({ bytes, line }: TextDocument): Text => ({
    text: decode(bytes, place(line)),
    line,
    isJson,
  });
  for await (const piece of file.pieces()) {
    let rest = piece;
    if (splitter === undefined) {
      rest = withoutMark(piece);
      refuseBinary(rest, file.path);
      isJson = looksLikeJson(rest);
      splitter = isJson ? new JsonSplitter() : new YamlSplitter();
    }
    lastByte = piece.at(-1);
    yield* cut(splitter.push(rest), asText, place);
  }
  if (splitter !== undefined && !isJson && lastByte !== 0x0a) {
    context.report.warn(`${showFile(file.path)} does not end with a line end: it may be cut short.`);
  }
  if (splitter !== undefined) yield* cut(splitter.end(), asText, place);
}

function* cut(
  documents: Iterable<TextDocument>,
  asText: (document: TextDocument) => Text,
  place: (line: number) => Place,
): Generator<Text> {
  const iterator = documents[Symbol.iterator]();
  for (;;) {
    const next = inPlace(
      () => iterator.next(),
      (line) => place(1 + line),
    );
    if (next.done === true) return;
    yield asText(next.value);
  }
}

/** Gives a fault its place in the dump. */
function inPlace<Result>(work: () => Result, place: (line: number) => Place): Result {
  try {
    return work();
  } catch (error) {
    if (error instanceof TextFault) throw dumpError(place(error.line), error.fault);
    if (error instanceof OversizedDocument) throw oversized(place(error.line - 1));
    throw error;
  }
}

function decode(bytes: Buffer, place: Place): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw dumpError(place, { code: 'DUMP_NOT_TEXT', fault: 'the document is not UTF-8' });
  }
}

/** Some editors put a byte order mark in front. */
function withoutMark(piece: Buffer): Buffer {
  return piece.subarray(0, 3).equals(Buffer.from([0xef, 0xbb, 0xbf])) ? piece.subarray(3) : piece;
}

function looksLikeJson(piece: Buffer): boolean {
  return /^[\s]*[{[]/.test(piece.toString('latin1', 0, 4096));
}

function refuseBinary(piece: Buffer, path: string): void {
  const isPacked = piece.subarray(0, 2).equals(Buffer.from([0x1f, 0x8b]));
  if (!isPacked && !piece.subarray(0, 4096).includes(0)) return;
  throw fileError(path, 'is not text, and so no dump', {
    code: 'DUMP_NOT_TEXT',
    hint: 'Unpack what is compressed. Of a snapshot, make a dump with sensu-ferry dump --from FILE first.',
  });
}

function blankLinesBefore(text: string): number {
  const [before] = /^(?:[ \t]*(?:#.*|---[ \t]*|%.*)?\r?\n)*/.exec(text)!;
  return before.split('\n').length - 1;
}

function refuseDuplicate(resource: DumpResource, seen: Map<string, Place>): void {
  const { type, apiVersion, namespace, name, place } = resource;
  // Whether two of an unknown type without a name are the same cannot be known.
  if (name === '' && !isSingle(resource)) return;
  const identity = JSON.stringify([type, apiVersion, namespace ?? '', name]);
  const first = seen.get(identity);
  if (first === undefined) {
    seen.set(identity, place);
    return;
  }
  throw dumpError(place, {
    code: 'DUMP_DUPLICATE',
    fault: `${showResource(resource)} is there already (${showPlace(first)})`,
    hint: 'Take one of the two out of the dump.',
  });
}

function oversized(place: Place) {
  return dumpError(place, {
    code: 'DUMP_TOO_LARGE',
    fault: `the document is larger than ${largestDocument / 1024 / 1024} MiB, which no resource of Sensu is`,
    hint: 'Between two resources of YAML there must be a line ---.',
  });
}
