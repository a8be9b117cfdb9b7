import type { S3Client } from '@aws-sdk/client-s3';
import { pipeline, Readable, Transform } from 'node:stream';

/** A page of a list is a thousand keys of at most a kilobyte, three bytes for each of them in the worst spelling. */
const largestAnswer = 16 * 1024 * 1024;

/** What `requestFault` finds as the name of an answer that is larger. */
export const answerTooLarge = 'AnswerTooLarge';

/** The SDK holds every answer but an object in memory, however long it is: a server that never ends one would fill it. */
export function limitAnswers(client: S3Client): void {
  client.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        const result = await next(args);
        const answer = result.response as { body?: unknown };
        if (commandName !== 'GetObjectCommand' && answer.body instanceof Readable) {
          answer.body = pipeline(answer.body, limited(), () => undefined);
        }
        return result;
      },
    { step: 'deserialize', priority: 'low', name: 'limitAnswers' },
  );
}

function limited(): Transform {
  let size = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      if (size <= largestAnswer) done(null, chunk);
      else done(Object.assign(new Error('The answer has no end.'), { name: answerTooLarge }));
    },
  });
}
