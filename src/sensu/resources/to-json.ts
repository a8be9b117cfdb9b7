import { compareNames, setOwn, type ApiValue, type DraftObject } from './api-value.js';
import { MalformedValueError } from '../../protobuf/protobuf.js';
import { FieldList, TextMap, type FieldValue, type Slots } from './fields.js';
import { messageNamed, type Field, type Message } from './messages.js';

/** A field that is stored, and that the API never shows. */
export interface HiddenField {
  /** Such as `check.extended_attributes`. */
  readonly path: string;
  readonly value: ApiValue;
}

/** Writes a message as Sensu's API does: which fields, in the order of their names, and what stands for nothing. */
export class JsonShaper {
  readonly hidden: HiddenField[] = [];
  readonly #path: string[] = [];

  /** @param apart A field that is left out, as it is wanted by itself. */
  shape(message: Message, slots: Slots, apart?: Field): DraftObject {
    if (message.name === 'HookList') return this.#hookList(message, slots);
    const object: DraftObject = {};
    for (const field of message.fields) {
      const value = slots[field.slot];
      if (field === apart) continue;
      if (field.shown === 'inlined') {
        Object.assign(object, this.shape(messageNamed(field.message!), (value ?? []) as Slots));
      } else if (field.shown === 'hidden') this.#hide(field, value);
      else if (field.shown !== 'omitEmpty' || !isEmpty(value)) object[field.name] = this.#value(field, value);
    }
    if (message.name === 'Hook') return inOrder(object);
    if (message.name === 'CheckConfig') defaultPipelines(object);
    return object;
  }

  /** One field as it stands in the message. */
  field(field: Field, slots: Slots): ApiValue {
    return this.#value(field, slots[field.slot]);
  }

  #value(field: Field, value: FieldValue | undefined): ApiValue {
    if (value instanceof FieldList) return value.items.map((item) => this.#value(field, item));
    if (value instanceof TextMap) return objectOf(value);
    if (Array.isArray(value)) return this.#nested(field, value);
    if (value === undefined) return this.#absent(field);
    if (Buffer.isBuffer(value)) return field.kind === 'uuid' ? showUuid(value) : value.toString('base64');
    if (typeof value === 'number' && !Number.isFinite(value)) throw noJson();
    return value;
  }

  #nested(field: Field, slots: Slots): ApiValue {
    this.#path.push(field.name);
    const object = this.shape(messageNamed(field.message!), slots);
    this.#path.pop();
    return object;
  }

  #absent(field: Field): ApiValue {
    if (field.repeated) return field.shown === 'emptyList' ? [] : null;
    switch (field.kind) {
      case 'string':
        return '';
      case 'bool':
        return false;
      case 'int64':
        return 0n;
      case 'uint32':
      case 'int32':
      case 'double':
        return 0;
      case 'bytes':
      case 'uuid':
      case 'map':
        return null;
      case 'message':
        return field.optional ? null : this.#nested(field, []);
    }
  }

  #hookList(message: Message, slots: Slots): DraftObject {
    const type = slots[message.byName.get('type')!.slot];
    const hooks = message.byName.get('hooks')!;
    const object: DraftObject = {};
    setOwn(object, typeof type === 'string' ? type : '', this.#value(hooks, slots[hooks.slot]));
    return object;
  }

  #hide(field: Field, value: FieldValue | undefined): void {
    if (isEmpty(value)) return;
    const path = [...this.#path, field.name].join('.');
    this.hidden.push({
      path,
      value: Buffer.isBuffer(value) ? value.toString('utf8') : this.#value(field, value),
    });
  }
}

/** What Go's `omitempty` leaves out. A message that is there is never empty. */
function isEmpty(value: FieldValue | undefined): boolean {
  if (value === undefined || value === '' || value === 0 || value === 0n || value === false) return true;
  if (value instanceof TextMap) return value.size === 0;
  if (value instanceof FieldList) return value.items.length === 0;
  return Buffer.isBuffer(value) && value.length === 0;
}

function objectOf(map: TextMap): DraftObject {
  const object: DraftObject = {};
  for (const name of [...map.keys()].sort(compareNames)) setOwn(object, name, map.get(name)!);
  return object;
}

function inOrder(object: DraftObject): DraftObject {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => compareNames(a, b)));
}

/** The API fills in what a reference to a pipeline leaves out. */
function defaultPipelines(object: DraftObject): void {
  for (const reference of object['pipelines'] as DraftObject[]) {
    if (reference['api_version'] === '') reference['api_version'] = 'core/v2';
    if (reference['type'] === '') reference['type'] = 'Pipeline';
  }
}

function showUuid(bytes: Buffer): string {
  if (bytes.length !== 16) return bytes.toString('base64');
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** Go's JSON refuses such numbers too. */
function noJson(): MalformedValueError {
  return new MalformedValueError('The value has a number that JSON has no form for.');
}
