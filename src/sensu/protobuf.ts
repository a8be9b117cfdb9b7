import { ProtoReader } from '../bolt/proto-reader.js';

/** A stored value that is neither of the forms that Sensu writes. Says nothing of what is in it. */
export class MalformedValueError extends Error {
  override readonly name = 'MalformedValueError';
}

/** The fields of a message that are wanted, each with what reads it; all others are passed over. */
export type Fields = Readonly<Record<number, (reader: ProtoReader) => void>>;

/**
 * Reads a protobuf message: fields in any order, unknown ones of any type in between.
 * @param what Names the value in errors, such as `a user`.
 * @throws MalformedValueError
 */
export function readMessage(bytes: Buffer, what: string, fields: Fields): void {
  const reader = new ProtoReader((fault) => new MalformedValueError(`The value of ${what} ${fault}.`), bytes);
  for (let number = reader.field(); number !== 0; number = reader.field()) {
    const read = fields[number];
    if (read === undefined) reader.skip();
    else read(reader);
  }
}
