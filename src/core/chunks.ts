import type { TempFile } from './temp-file.js';

/** Bytes of a chunk: what is written, hashed and compressed at a time. */
export const chunkSize = 1024 * 1024;

/**
 * The same bytes in chunks of `chunkSize`, the last one shorter, in so many buffers by turns: a chunk is valid until the
 * buffer's turn comes again, by default with the next chunk.
 */
export async function* inChunks(
  blobs: AsyncIterable<Buffer>,
  buffers = 1,
): AsyncGenerator<Buffer, void, undefined> {
  const ring = Array.from({ length: buffers }, () => Buffer.allocUnsafeSlow(chunkSize));
  let turn = 0;
  let filled = 0;
  for await (const blob of blobs) {
    for (let taken = 0; taken < blob.length;) {
      const chunk = ring[turn]!;
      const copied = blob.copy(chunk, filled, taken);
      taken += copied;
      filled += copied;
      if (filled < chunkSize) continue;
      yield chunk;
      turn = (turn + 1) % buffers;
      filled = 0;
    }
  }
  if (filled > 0) yield ring[turn]!.subarray(0, filled);
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
