import fc from 'fast-check';
import type { ApiObject, ApiValue } from '../../../src/sensu/resources/api-value.js';
import { messageNamed, type Field, type MessageName } from '../../../src/sensu/resources/messages.js';

const text = fc.string({ unit: 'binary', maxLength: 12 }).filter((value) => !/\p{Surrogate}/u.test(value));
const someText = text.filter((value) => value !== '');
const names = fc.string({ minLength: 1, maxLength: 8 });

/** Objects of a message in the very form in which the API shows it: what is empty is left out, null or there. */
export function apiObjects(name: MessageName, depth = 0): fc.Arbitrary<ApiObject> {
  if (name === 'HookList')
    return fc.tuple(someText, fc.array(text, { minLength: 1, maxLength: 3 })).map(hookList);
  const fields = messageNamed(name).fields.filter(({ shown }) => shown !== 'hidden');
  const own = fields.filter(({ shown }) => shown !== 'inlined');
  const inlined = fields.filter(({ shown }) => shown === 'inlined');
  const values = fc.tuple(...own.map((field) => valueOf(field, depth)));
  const inner = fc.tuple(...inlined.map(({ message }) => apiObjects(message!, depth)));
  return fc.tuple(values, inner).map(([list, objects]) => ({
    ...Object.fromEntries(
      own.flatMap((field, i) => (list[i] === undefined ? [] : [[field.name, list[i]] as const])),
    ),
    ...objects.reduce<ApiObject>((all, one) => ({ ...all, ...one }), {}),
  }));
}

function hookList([type, hooks]: readonly [string, readonly string[]]): ApiObject {
  return Object.fromEntries([[type, hooks]]);
}

/** Undefined for a field that is left out. */
function valueOf(field: Field, depth: number): fc.Arbitrary<ApiValue | undefined> {
  const absent = absentForm(field);
  const full = fullValue(field, depth);
  const list = fc.array(full, { minLength: 1, maxLength: 2 });
  const isDeep = depth > 3 && (field.optional || field.repeated);
  if (isDeep) return fc.constant(absent);
  if (field.kind === 'message' && !field.repeated && !field.optional) return full;
  return fc.oneof(fc.constant(absent), field.repeated ? list : full);
}

function absentForm({ shown, repeated, kind }: Field): ApiValue | undefined {
  if (shown === 'omitEmpty') return undefined;
  if (shown === 'emptyList') return [];
  if (repeated || kind === 'bytes' || kind === 'uuid' || kind === 'map' || kind === 'message') return null;
  if (kind === 'string') return '';
  if (kind === 'bool') return false;
  return kind === 'int64' ? 0n : 0;
}

/** Never what counts as empty. */
function fullValue(field: Field, depth: number): fc.Arbitrary<ApiValue> {
  switch (field.kind) {
    case 'string':
      return field.repeated ? text : someText;
    case 'bytes':
      return fc
        .uint8Array({ minLength: 1, maxLength: 9 })
        .map((bytes) => Buffer.from(bytes).toString('base64'));
    case 'uuid':
      return fc.uuid();
    case 'bool':
      return fc.constant(true);
    case 'uint32':
      return fc.integer({ min: 1, max: 2 ** 32 - 1 });
    case 'int32':
      return fc.integer({ min: -(2 ** 31), max: -1 });
    case 'int64':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).filter((value) => value !== 0n);
    case 'double':
      return fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => value !== 0);
    case 'map':
      return fc.dictionary(names, text, { minKeys: 1, maxKeys: 3, noNullPrototype: true });
    case 'message':
      return field.message === 'ResourceReference' ? fullReference : apiObjects(field.message!, depth + 1);
  }
}

/** The API fills in what one leaves out. */
const fullReference = fc
  .tuple(someText, someText, someText)
  .map(([name, type, version]) => ({ name, type, api_version: version }));
