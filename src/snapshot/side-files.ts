import { buffer } from 'node:stream/consumers';
import { z } from 'zod';
import type { Storage } from '../storage/storage.js';

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

const schema = z.object({
  verifiedAt: z.iso.datetime(),
  revision: z.string().regex(/^\d+$/),
  digest: z.string(),
  tool: z.string(),
  fingerprint: z.string(),
});

/** `fingerprint` ties it to the bytes of the snapshot: beside another file of the same name it does not count. */
export async function writeVerification(
  storage: Storage,
  snapshot: string,
  { verifiedAt, revision, digest, tool }: Verification,
  fingerprint: string,
  signal: AbortSignal,
): Promise<void> {
  const content = {
    verifiedAt: verifiedAt.toISOString(),
    revision: String(revision),
    ...{ digest, tool, fingerprint },
  } satisfies z.infer<typeof schema>;
  const text = `${JSON.stringify(content, null, 2)}\n`;
  await storage.put(verifiedName(snapshot), Buffer.from(text), signal);
}

/** Undefined for one that is damaged, or that belongs to other bytes than those of the fingerprint. */
export async function readVerification(
  storage: Storage,
  snapshot: string,
  fingerprint: string,
  signal: AbortSignal,
): Promise<Verification | undefined> {
  const content = parse(
    await buffer(storage.read(verifiedName(snapshot), signal, { start: 0, end: 65_536 })),
  );
  if (content?.fingerprint !== fingerprint) return undefined;
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
