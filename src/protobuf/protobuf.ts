import { ProtoReader, type FieldReaders } from './proto-reader.js';

/** A stored value that is neither of the forms that Sensu writes. Says nothing of what is in it. */
export class MalformedValueError extends Error {
  override readonly name = 'MalformedValueError';
}

/**
 * Reads a protobuf message: fields in any order, unknown ones of any type in between.
 * @param what Names the value in errors, such as `a user`.
 * @throws MalformedValueError
 */
export function readMessage(bytes: Buffer, what: string, fields: FieldReaders): void {
  const fail = (fault: string): Error => new MalformedValueError(`The value of ${what} ${fault}.`);
  new ProtoReader(fail, bytes).fields(fields);
}
