import type { ProtoReader } from '../../protobuf/proto-reader.js';
import { messageNamed, type Field, type Message } from './messages.js';

/** What a message holds, by the slot of the field; undefined where it is absent. */
export type Slots = (FieldValue | undefined)[];

/** As it is stored: numbers of 64 bits are bigint, bytes are bytes, a message is its slots. */
export type FieldValue = string | number | bigint | boolean | Buffer | TextMap | FieldList | Slots;

/** Of a field of the kind `map`. */
export class TextMap extends Map<string, string> {}

/** Of a field that repeats. */
export class FieldList {
  readonly items: FieldValue[] = [];
}

/** A field that the tables do not know, so that nothing can show it. */
export interface UnknownField {
  /** Where it stands, such as `check.49`: names of fields, then its number or its name. */
  readonly path: string;
  /** As it is stored: in base64 from protobuf, as JSON from JSON. */
  readonly value: string;
}

/** Reads messages, and keeps what their tables do not know. */
export class FieldReader {
  readonly unknown: UnknownField[] = [];
  readonly #path: string[] = [];

  /** Reads to the end of the reader's range. Fields that are there again add to what is there, as protobuf has it. */
  read(reader: ProtoReader, message: Message, slots: Slots): Slots {
    for (let number = reader.field(); number !== 0; number = reader.field()) {
      const field = message.byNumber[number];
      if (field === undefined) {
        this.#keep(reader, number);
        continue;
      }
      if (reader.wireType !== field.wireType) throw reader.malformed('has a field of the wrong type');
      const before = slots[field.slot];
      if (field.repeated) {
        const list = before instanceof FieldList ? before : new FieldList();
        list.items.push(this.#value(reader, field, undefined));
        slots[field.slot] = list;
      } else slots[field.slot] = this.#value(reader, field, before);
    }
    return slots;
  }

  #value(reader: ProtoReader, field: Field, before: FieldValue | undefined): FieldValue {
    switch (field.kind) {
      case 'string':
        return reader.string();
      case 'bytes':
      case 'uuid':
        return reader.view();
      case 'bool':
        return reader.bool();
      case 'uint32':
        return reader.uint32();
      case 'int32':
        return Number(BigInt.asIntN(32, reader.uint64()));
      case 'int64':
        return reader.int64();
      case 'double':
        return reader.double();
      case 'map':
        return this.#pair(reader, before instanceof TextMap ? before : new TextMap());
      case 'message':
        return this.#nested(reader, field, Array.isArray(before) ? before : []);
    }
  }

  #pair(reader: ProtoReader, map: TextMap): TextMap {
    const [key, value] = this.#within(reader, 'map', messageNamed('StringPair'), []);
    return map.set(textOf(key), textOf(value));
  }

  #nested(reader: ProtoReader, field: Field, slots: Slots): Slots {
    return this.#within(reader, field.name, messageNamed(field.message!), slots);
  }

  #within(reader: ProtoReader, name: string, message: Message, slots: Slots): Slots {
    reader.lengthDelimited();
    const { stop, end } = reader;
    reader.pos = reader.start;
    reader.end = stop;
    this.#path.push(name);
    this.read(reader, message, slots);
    this.#path.pop();
    reader.pos = stop;
    reader.end = end;
    return slots;
  }

  #keep(reader: ProtoReader, number: number): void {
    const from = reader.pos;
    reader.skip();
    const value = reader.bytes.subarray(from, reader.pos).toString('base64');
    this.unknown.push({ path: [...this.#path, String(number)].join('.'), value });
  }
}

function textOf(value: FieldValue | undefined): string {
  return typeof value === 'string' ? value : '';
}
