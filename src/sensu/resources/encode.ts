import { ProtoWriter } from '../../protobuf/proto-writer.js';
import { compareNames, isApiObject, type ApiObject, type ApiValue } from './api-value.js';
import { FieldError, wrongKind } from './field-error.js';
import { messageNamed, type Field, type Message } from './messages.js';

/**
 * A message as Sensu marshals it: fields by their numbers, nothing for zero values and nulls, but every message
 * that Go embeds by value, empty or not. Maps are sorted by name; Go writes theirs in any order.
 * @param path Of the object within the resource, for errors; empty at its top.
 * @throws FieldError
 */
export function encodeMessage(message: Message, object: ApiObject, path: string): Buffer {
  const values = valuesByField(message, object, path);
  const writer = new ProtoWriter();
  for (const field of message.byNumber) {
    if (field === undefined) continue;
    const value = values.get(field) ?? null;
    const at = join(path, field.name);
    if (field.shown === 'inlined') {
      writer.message(field.number, encodeMessage(messageNamed(field.message!), innerOf(field, object), path));
    } else if (field.repeated) writeList(writer, field, value, at);
    else writeOne(writer, field, value, at);
  }
  return writer.finish();
}

function valuesByField(message: Message, object: ApiObject, path: string): Map<Field, ApiValue> {
  if (message.name === 'HookList') return hookList(message, object, path);
  const inlined = message.fields.find(({ shown }) => shown === 'inlined');
  const inner = inlined && messageNamed(inlined.message!).byName;
  const values = new Map<Field, ApiValue>();
  for (const [name, value] of Object.entries(object)) {
    const field = message.byName.get(name);
    if (field !== undefined && field !== inlined) values.set(field, value);
    else if (inner?.has(name) !== true)
      throw new FieldError(join(path, name), 'is no field that Sensu has there', 'unknown');
  }
  return values;
}

/** Of an object the fields of the message that is inlined in it. */
function innerOf(field: Field, object: ApiObject): ApiObject {
  const { byName } = messageNamed(field.message!);
  return Object.fromEntries(Object.entries(object).filter(([name]) => byName.has(name)));
}

/** In JSON a list of hooks stands under its type, such as `{ "critical": ["ps"] }`. */
function hookList(message: Message, object: ApiObject, path: string): Map<Field, ApiValue> {
  const [first, ...others] = Object.entries(object);
  if (first === undefined) return new Map();
  if (others.length > 0) throw new FieldError(path, 'has more than one type of hooks in one item');
  const [type, hooks] = first;
  return new Map([
    [message.byName.get('type')!, type],
    [message.byName.get('hooks')!, hooks],
  ]);
}

function writeList(writer: ProtoWriter, field: Field, value: ApiValue, path: string): void {
  if (value === null) return;
  if (!Array.isArray(value)) throw wrongKind(path, value, 'a list');
  for (const [index, item] of (value as readonly ApiValue[]).entries()) {
    const at = `${path}[${index}]`;
    if (field.kind === 'message') writer.message(field.number, nested(field, item, at));
    else writer.message(field.number, Buffer.from(text(item, at)));
  }
}

function writeOne(writer: ProtoWriter, field: Field, value: ApiValue, path: string): void {
  const { kind, number } = field;
  if (kind === 'message') {
    if (value !== null) writer.message(number, nested(field, value, path));
    else if (!field.optional) writer.message(number, nested(field, {}, path));
    return;
  }
  if (value === null) return;
  switch (kind) {
    case 'string':
      writer.bytes(number, Buffer.from(text(value, path)));
      return;
    case 'bytes':
      writer.bytes(number, base64(value, path));
      return;
    case 'uuid':
      writer.bytes(number, uuid(value, path));
      return;
    case 'bool':
      if (typeof value !== 'boolean') throw wrongKind(path, value, 'true or false');
      writer.number(number, value ? 1 : 0);
      return;
    case 'double':
      writer.double(number, double(value, path));
      return;
    case 'map':
      writeMap(writer, number, value, path);
      return;
    case 'uint32':
    case 'int32':
    case 'int64':
      writer.number(number, whole(value, path, ranges[kind]));
  }
}

function nested(field: Field, value: ApiValue, path: string): Buffer {
  if (!isApiObject(value)) throw wrongKind(path, value, 'a map');
  return encodeMessage(messageNamed(field.message!), value, path);
}

function writeMap(writer: ProtoWriter, number: number, value: ApiValue, path: string): void {
  if (!isApiObject(value)) throw wrongKind(path, value, 'a map');
  for (const [name, item] of Object.entries(value).sort(([a], [b]) => compareNames(a, b))) {
    const pair = new ProtoWriter()
      .message(1, Buffer.from(name))
      .message(2, Buffer.from(text(item, join(path, name))));
    writer.message(number, pair.finish());
  }
}

function text(value: ApiValue, path: string): string {
  if (typeof value !== 'string') throw wrongKind(path, value, 'a text (put it in quotes)');
  // It has no form in UTF-8.
  if (/\p{Surrogate}/u.test(value)) throw new FieldError(path, 'holds half of a character');
  return value;
}

const ranges = {
  uint32: [0n, 2n ** 32n - 1n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
} as const;

function whole(value: ApiValue, path: string, [least, most]: readonly [bigint, bigint]): bigint {
  const isWhole = typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value));
  if (!isWhole) throw wrongKind(path, value, 'a whole number');
  const number = BigInt(value);
  if (number < least || number > most) throw new FieldError(path, `is not between ${least} and ${most}`);
  return number;
}

function double(value: ApiValue, path: string): number {
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number === 'number' && Number.isFinite(number)) return number;
  throw wrongKind(path, value, 'a finite number');
}

function base64(value: ApiValue, path: string): Buffer {
  const encoded = text(value, path);
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.toString('base64') !== encoded) throw new FieldError(path, 'is not base64');
  return bytes;
}

/** As people write them; what is not 16 bytes long is shown in base64. */
function uuid(value: ApiValue, path: string): Buffer {
  const written = text(value, path);
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(written)) return base64(value, path);
  return Buffer.from(written.replaceAll('-', ''), 'hex');
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}
