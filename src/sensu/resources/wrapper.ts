import { ProtoReader } from '../../protobuf/proto-reader.js';
import { MalformedValueError } from '../../protobuf/protobuf.js';
import { unsnappy } from '../../protobuf/snappy.js';

/** What `wrap.Wrapper` says of the bytes in it, and these bytes, unpacked. */
export interface Unwrapped {
  /** Such as `EntityConfig`. */
  readonly type: string;
  /** Such as `core/v3`. */
  readonly apiVersion: string;
  readonly encoding: 'json' | 'protobuf';
  readonly bytes: Buffer;
}

const encodings = ['json', 'protobuf'] as const;
const snappy = 1;

/** Opens the wrapper in which Sensu keeps the types of core/v3. @throws MalformedValueError */
export function unwrap(value: Buffer): Unwrapped {
  let meta = { type: '', apiVersion: '' };
  let encoding = 0;
  let compression = 0;
  let inner: Buffer = Buffer.alloc(0);
  const reader = readerOf(value);
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    if (field === 1) meta = readTypeMeta(reader);
    else if (field === 2) encoding = Number(reader.uint64());
    else if (field === 3) compression = Number(reader.uint64());
    else if (field === 4) inner = reader.view();
    else reader.skip();
  }
  const known = encodings[encoding];
  if (known === undefined || compression > snappy) {
    throw new MalformedValueError('The value is wrapped in a form that is not known.');
  }
  const bytes = compression === snappy ? unsnappy(inner, 'a wrapped resource') : inner;
  return { ...meta, encoding: known, bytes };
}

function readTypeMeta(parent: ProtoReader): { type: string; apiVersion: string } {
  const meta = { type: '', apiVersion: '' };
  parent.lengthDelimited();
  const reader = parent.nested();
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    if (field === 1) meta.type = reader.string();
    else if (field === 2) meta.apiVersion = reader.string();
    else reader.skip();
  }
  return meta;
}

export function readerOf(value: Buffer): ProtoReader {
  return new ProtoReader((fault) => new MalformedValueError(`The value ${fault}.`), value);
}
