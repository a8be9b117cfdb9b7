import { FerryError } from '../core/errors.js';
import { sensuRoot, singleKey } from '../store/sensu-root.js';
import { alarmsCall, rangeCall, readHeader, readStatus, statusCall } from './transport/messages.js';
import type { Door } from './transport/member-transport.js';
import type { Transport } from './transport/transport.js';

const rounds = 3;

/**
 * Whether two doors lead to one server, when both have shown the same ids: etcd names the server itself nowhere. A
 * session of one server is none of another's, unless both sign theirs with one key. Asking for alarms takes a place in
 * the log and changes nothing, so the log of one server is longer afterwards through whichever door. Twins that were
 * restored from one file may stand at the same place until one of them is moved.
 */
export async function isSameServer(transport: Transport, first: Door, second: Door): Promise<boolean> {
  const tokens = new Map<Door, string>();
  if (transport.credentials !== undefined) {
    for (const door of [first, second]) tokens.set(door, await transport.logInAt(door));
    if (!(await knowsSession(transport, second, tokens.get(first)))) return false;
  }
  const look = await positionReader(transport, first, tokens);
  // Where nothing may be asked, nothing speaks against it.
  if (look === undefined) return true;
  for (let round = 1; round <= rounds; round += 1) {
    const [one, other] = round % 2 === 1 ? [first, second] : [second, first];
    const before = await look(other);
    await transport.ask(one, alarmsCall, tokens.get(one));
    const between = await look(other);
    const after = await look(one);
    if (between < before || after < between || (look.countsQuestions && between === before)) return false;
  }
  return true;
}

async function knowsSession(transport: Transport, door: Door, token: string | undefined): Promise<boolean> {
  try {
    await transport.ask(door, headerCall, token);
    return true;
  } catch (error) {
    return !(error instanceof FerryError && error.code === 'ETCD_TOKEN_ENDED');
  }
}

/** Answered from the member's own store, and read for who answers and at which revision. */
const headerCall = rangeCall({ ...singleKey(sensuRoot.start), countOnly: true, serializable: true });

interface PositionReader {
  (door: Door): Promise<bigint>;
  /** True of the log's length, which a question for alarms adds to. */
  readonly countsQuestions: boolean;
}

/** The length of the log, or the store's revision for a user who may not ask for the former: since 3.5.30 only root. */
async function positionReader(
  transport: Transport,
  door: Door,
  tokens: ReadonlyMap<Door, string>,
): Promise<PositionReader | undefined> {
  const logLength = async (at: Door): Promise<bigint> =>
    readStatus(await transport.ask(at, statusCall, tokens.get(at))).raftIndex;
  const revision = async (at: Door): Promise<bigint> =>
    readHeader(await transport.ask(at, headerCall, tokens.get(at))).revision;
  const answers = (look: (at: Door) => Promise<bigint>): Promise<boolean> =>
    look(door).then(
      () => true,
      () => false,
    );
  if (await answers(logLength)) return Object.assign(logLength, { countsQuestions: true });
  if (await answers(revision)) return Object.assign(revision, { countsQuestions: false });
  return undefined;
}
