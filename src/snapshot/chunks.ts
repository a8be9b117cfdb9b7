import type { TempFile } from '../bolt/temp-file.js';

/** Bytes of a chunk: what is written, hashed and compressed at a time. */
export const chunkSize = 1024 * 1024;

/** The same bytes in chunks of `chunkSize`, the last one shorter. A chunk is valid until the next is asked for. */
export async function* inChunks(blobs: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  const chunk = Buffer.allocUnsafeSlow(chunkSize);
  let filled = 0;
  for await (const blob of blobs) {
    for (let taken = 0; taken < blob.length;) {
      const copied = blob.copy(chunk, filled, taken);
      taken += copied;
      filled += copied;
      if (filled < chunkSize) continue;
      yield chunk;
      filled = 0;
    }
  }
  if (filled > 0) yield chunk.subarray(0, filled);
}

/** The bytes of a file in chunks of `chunkSize`, the last one shorter. Each is a buffer of its own. */
export function* chunksOf(file: TempFile): Generator<Buffer, void, undefined> {
  for (let position = 0; ;) {
    const chunk = Buffer.allocUnsafeSlow(chunkSize);
    const length = file.read(chunk, 0, chunkSize, position);
    if (length === 0) return;
    yield chunk.subarray(0, length);
    position += length;
  }
}
