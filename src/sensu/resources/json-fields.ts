import { parse, stringify } from 'lossless-json';
import { MalformedValueError } from '../../protobuf/protobuf.js';
import { isApiObject, parseNumber, type ApiObject, type ApiValue } from './api-value.js';
import { FieldList, TextMap, type FieldValue, type Slots, type UnknownField } from './fields.js';
import { messageNamed, type Field, type Message } from './messages.js';

/**
 * JSON without rounding: whole numbers that a double cannot hold are bigint.
 * @throws MalformedValueError which says nothing of what is in the text
 */
function parseJsonValue(bytes: Buffer): ApiValue {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return parse(text, null, { parseNumber, onDuplicateKey: ({ newValue }) => newValue }) as ApiValue;
  } catch {
    throw new MalformedValueError('The value is broken JSON.');
  }
}

/** @throws MalformedValueError */
export function parseJsonObject(bytes: Buffer): ApiObject {
  const value = parseJsonValue(bytes);
  if (isApiObject(value)) return value;
  throw new MalformedValueError('The value is JSON, but no object.');
}

/** Sorts what JSON says of a message into slots, as the reader of protobuf does. @throws MalformedValueError */
export class JsonFieldReader {
  readonly unknown: UnknownField[] = [];
  readonly #path: string[] = [];

  read(object: ApiObject, message: Message, slots: Slots): Slots {
    if (message.name === 'HookList') return this.#hookList(object, message, slots);
    const inlined = message.fields.find(({ shown }) => shown === 'inlined');
    const inner = inlined && messageNamed(inlined.message!);
    const innerSlots: Slots = [];
    for (const [name, value] of Object.entries(object)) {
      const field = message.byName.get(name);
      const below = inner?.byName.get(name);
      if (field !== undefined && field.shown !== 'inlined') this.#take(slots, field, value);
      else if (below !== undefined) this.#take(innerSlots, below, value);
      else this.#keep(name, value);
    }
    if (inlined !== undefined) slots[inlined.slot] = innerSlots;
    return slots;
  }

  /** Go leaves a field alone that JSON gives as null. */
  #take(slots: Slots, field: Field, value: ApiValue): void {
    if (value === null) return;
    this.#path.push(field.name);
    slots[field.slot] = field.repeated ? this.#list(field, value) : this.#value(field, value);
    this.#path.pop();
  }

  #list(field: Field, value: ApiValue): FieldList {
    if (!Array.isArray(value)) throw wrongType();
    const list = new FieldList();
    for (const item of value as readonly ApiValue[]) list.items.push(this.#value(field, item));
    return list;
  }

  #value(field: Field, value: ApiValue): FieldValue {
    switch (field.kind) {
      case 'string':
      case 'uuid':
        if (typeof value === 'string') return value;
        break;
      case 'bytes':
        if (typeof value === 'string') return Buffer.from(value, 'base64');
        break;
      case 'bool':
        if (typeof value === 'boolean') return value;
        break;
      case 'uint32':
      case 'int32':
        if (typeof value === 'number' && Number.isInteger(value)) return value;
        break;
      case 'int64':
        if (typeof value === 'bigint') return value;
        if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value);
        break;
      case 'double':
        if (typeof value === 'number' || typeof value === 'bigint') return Number(value);
        break;
      case 'map':
        if (isApiObject(value)) return mapOf(value);
        break;
      case 'message':
        if (isApiObject(value)) return this.read(value, messageNamed(field.message!), []);
    }
    throw wrongType();
  }

  /** In JSON a list of hooks stands under its type, such as `{ "critical": ["ps"] }`. */
  #hookList(object: ApiObject, message: Message, slots: Slots): Slots {
    const [type, hooks] = Object.entries(object)[0] ?? ['', null];
    this.#take(slots, message.byName.get('type')!, type);
    this.#take(slots, message.byName.get('hooks')!, hooks);
    return slots;
  }

  #keep(name: string, value: ApiValue): void {
    this.unknown.push({ path: [...this.#path, name].join('.'), value: stringify(value) ?? '' });
  }
}

function mapOf(object: ApiObject): TextMap {
  const map = new TextMap();
  for (const [name, value] of Object.entries(object)) {
    if (typeof value !== 'string') throw wrongType();
    map.set(name, value);
  }
  return map;
}

function wrongType(): MalformedValueError {
  return new MalformedValueError('The value is JSON with a field of the wrong type.');
}
