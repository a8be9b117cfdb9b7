import type { ClientDuplexStream } from '@grpc/grpc-js';
import { FerryError } from '../../core/errors.js';
import type { KeyRange, LeaseId } from '../../store/view.js';
import type { ConnectOptions } from '../connect-options.js';
import { normalizeEndpoints } from './endpoints.js';
import { Transport } from './transport.js';

/**
 * Two calls that a Sensu backend makes all the time and this program never does, but for proving that etcd
 * allows them.
 */
export interface BackendCalls {
  /**
   * Sets up a watch on the range, and ends it once etcd has confirmed it.
   *
   * @throws FerryError `ETCD_PERMISSION_DENIED` when etcd refuses it, `unreachable` when no answer comes.
   */
  watch(range: KeyRange): Promise<void>;
  /** Renews the lease once. False when there is no such lease. */
  keepAlive(id: LeaseId): Promise<boolean>;
  close(): void;
}

export function openBackendCalls(options: ConnectOptions): BackendCalls {
  const transport = new Transport(normalizeEndpoints(options.endpoints), options);
  return {
    watch: (range) => watch(transport, range),
    keepAlive: async (id) => {
      const answer = await firstAnswer<{ TTL: string }>(transport, 'Lease', 'leaseKeepAlive', {
        ID: String(id),
      });
      return BigInt(answer.TTL) > 0n;
    },
    close: () => {
      transport.close();
    },
  };
}

/**
 * A token can run out between the moment it was proven and the watch, which 3.4 answers as if a grant were missing. So
 * a watch that is refused is asked for once more in a new session.
 */
async function watch(transport: Transport, range: KeyRange): Promise<void> {
  const create_request = { key: range.start, range_end: range.end ?? Buffer.from([0]) };
  for (let attempt = 1; ; attempt += 1) {
    const answer = await firstAnswer<WireWatch>(transport, 'Watch', 'watch', { create_request });
    if (!answer.canceled) return;
    if (attempt > 1 || !transport.endSession()) {
      throw watchRefused(answer.cancel_reason, transport.endpoints[0]!);
    }
  }
}

interface WireWatch {
  readonly canceled: boolean;
  readonly cancel_reason: string;
}

/** A watch that is refused is no failed call for etcd: the first answer says that it is cancelled already. */
function watchRefused(reason: string, endpoint: string): FerryError {
  return /permission denied/i.test(reason)
    ? new FerryError({
        kind: 'denied',
        code: 'ETCD_PERMISSION_DENIED',
        message: `etcd at ${endpoint} does not permit this to the user.`,
        hint: 'Use a user with the grant, or root.',
      })
    : new FerryError({
        kind: 'failed',
        code: 'WATCH_CANCELLED',
        message: `etcd at ${endpoint} ended a watch at once: ${reason || 'it gave no reason'}.`,
        hint: 'Look at the log of that member.',
      });
}

async function firstAnswer<Answer>(
  transport: Transport,
  service: 'Watch' | 'Lease',
  method: string,
  request: object,
): Promise<Answer> {
  const stream = await transport.openDuplex(service, method);
  let deadline: NodeJS.Timeout | undefined;
  try {
    return await new Promise<Answer>((resolve, reject) => {
      deadline = setTimeout(() => {
        reject(noAnswer(transport));
      }, transport.deadlineMs);
      settle(stream, resolve as (answer: unknown) => void, reject);
      stream.write(request);
    });
  } catch (error) {
    throw transport.failureOf(error);
  } finally {
    clearTimeout(deadline);
    stream.cancel();
  }
}

/** The error that follows on cancelling finds its listener here too; without one it would end the process. */
function settle(
  stream: ClientDuplexStream<unknown, unknown>,
  resolve: (answer: unknown) => void,
  reject: (error: unknown) => void,
): void {
  stream.on('error', reject);
  stream.once('data', resolve);
  stream.once('end', () => {
    reject(new Error('etcd ended the stream without an answer.'));
  });
}

function noAnswer(transport: Transport): FerryError {
  return new FerryError({
    kind: 'unreachable',
    code: 'ETCD_TIMEOUT',
    message: `etcd at ${transport.endpoints.join(', ')} did not answer within ${transport.deadlineMs / 1000} s.`,
    hint: 'Check the network, and that more than half of the members are up.',
  });
}
