import { buffer } from 'node:stream/consumers';
import { z } from 'zod';
import type { Storage } from '../../storage/storage.js';

const verifiedEnding = '.verified.json';
const pinnedEnding = '.pinned';

export const verifiedName = (snapshot: string): string => `${snapshot}${verifiedEnding}`;
export const pinnedName = (snapshot: string): string => `${snapshot}${pinnedEnding}`;

/** The snapshot that a file of this name lies beside; undefined for any other file. */
export function snapshotOfSideFile(name: string): string | undefined {
  const ending = [verifiedEnding, pinnedEnding].find((known) => name.endsWith(known));
  return ending === undefined ? undefined : name.slice(0, -ending.length);
}

/** What `snapshot verify` found to be true of a snapshot. */
export interface Verification {
  readonly verifiedAt: Date;
  readonly revision: bigint;
  /** Over the lasting keys, as in the manifest. */
  readonly digest: string;
  /** Name and version of the program that verified it. */
  readonly tool: string;
}

/** Tells a snapshot from every other one, and from itself before it was changed, without reading it whole. */
export interface SnapshotIdentity {
  /** Of an archive the sha256 of its chunks, of a plain `.db` that of etcd's trailer. */
  readonly fingerprint: string;
  /** Bytes of the file. */
  readonly storedSize: number;
  readonly modifiedAt: Date;
}

export function isSame(a: SnapshotIdentity, b: SnapshotIdentity): boolean {
  const isUntouched = a.modifiedAt.getTime() === b.modifiedAt.getTime();
  return isUntouched && a.storedSize === b.storedSize && a.fingerprint === b.fingerprint;
}

const schema = z.object({
  verifiedAt: z.iso.datetime(),
  revision: z.string().regex(/^\d+$/),
  digest: z.string(),
  tool: z.string(),
  fingerprint: z.string(),
  storedSize: z.int().nonnegative(),
  modifiedAt: z.iso.datetime(),
});

/** The identity ties it to the snapshot: beside another file of the same name, or a changed one, it does not count. */
export async function writeVerification(
  storage: Storage,
  snapshot: string,
  { verifiedAt, revision, digest, tool }: Verification,
  { fingerprint, storedSize, modifiedAt }: SnapshotIdentity,
  signal: AbortSignal,
): Promise<void> {
  const content = {
    verifiedAt: verifiedAt.toISOString(),
    revision: String(revision),
    ...{ digest, tool, fingerprint, storedSize },
    modifiedAt: modifiedAt.toISOString(),
  } satisfies z.infer<typeof schema>;
  const text = `${JSON.stringify(content, null, 2)}\n`;
  await storage.put(verifiedName(snapshot), Buffer.from(text), signal);
}

/** Undefined for one that is damaged, or that belongs to another snapshot. */
export async function readVerification(
  storage: Storage,
  snapshot: string,
  identity: SnapshotIdentity,
  signal: AbortSignal,
): Promise<Verification | undefined> {
  const content = parse(
    await buffer(storage.read(verifiedName(snapshot), signal, { start: 0, end: 65_536 })),
  );
  if (content === undefined) return undefined;
  if (!isSame({ ...content, modifiedAt: new Date(content.modifiedAt) }, identity)) return undefined;
  const { verifiedAt, revision, digest, tool } = content;
  return { verifiedAt: new Date(verifiedAt), revision: BigInt(revision), digest, tool };
}

function parse(bytes: Buffer): z.infer<typeof schema> | undefined {
  try {
    return schema.safeParse(JSON.parse(bytes.toString('utf8'))).data;
  } catch {
    return undefined;
  }
}
