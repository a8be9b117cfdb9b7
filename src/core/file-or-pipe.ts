import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { Socket } from 'node:net';

/** How long the program behind a pipe, such as a password manager, may take to say everything. */
const pipeTimeoutMs = 30_000;

/**
 * All of a small file, or of a pipe that a program is writing to, such as the shell's `<(command)`. Opening a pipe
 * that nobody writes to would wait for ever, out of reach of signals; waiting for its bytes is not.
 * @param limit Bytes
 * @throws the system's error; EFBIG for more than the limit, ETIMEDOUT for a pipe that does not end in time
 */
export async function readFileOrPipe(
  path: string,
  limit: number,
  timeoutMs = pipeTimeoutMs,
): Promise<Buffer> {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const found = fstatSync(descriptor);
  // The socket closes the descriptor.
  if (found.isFIFO()) return readPipe(descriptor, limit, timeoutMs);
  try {
    if (found.size > limit) throw failure('EFBIG');
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

async function readPipe(descriptor: number, limit: number, timeoutMs: number): Promise<Buffer> {
  const pipe = new Socket({ fd: descriptor, readable: true, writable: false });
  const timer = setTimeout(() => pipe.destroy(failure('ETIMEDOUT')), timeoutMs);
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of pipe as AsyncIterable<Buffer>) {
      length += part.length;
      if (length > limit) throw failure('EFBIG');
      parts.push(part);
    }
    return Buffer.concat(parts);
  } finally {
    clearTimeout(timer);
    pipe.destroy();
  }
}

function failure(code: 'EFBIG' | 'ETIMEDOUT'): Error {
  return Object.assign(new Error(code), { code });
}
