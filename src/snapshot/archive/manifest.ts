import { z } from 'zod';
import { FerryError } from '../../core/errors.js';
import { isSealed } from './manifest-seal.js';

const decimal = z.string().regex(/^-?\d+$/);
const hex = z.string().regex(/^[0-9a-f]+$/);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.number().int().nonnegative();

/** The form of `manifest.json`, documented in docs/archive-format.md. 64-bit numbers are decimal strings, ids hex. */
export const manifestSchema = z.object({
  format: z.literal('sensu-ferry'),
  version: z.literal(1),
  createdAt: z.iso.datetime(),
  tool: z.string(),
  etcd: z.object({
    version: z.string(),
    clusterId: hex,
    memberId: hex,
    memberName: z.string(),
    revision: decimal,
  }),
  sensu: z.object({
    clusterId: z.string().nullable(),
    databaseVersion: z.string().nullable(),
  }),
  content: z.object({
    keys: count,
    bytes: count,
    leases: count,
    prefixes: z.array(z.object({ prefix: z.string(), keys: count, bytes: count, leasedKeys: count })),
    digest: z.object({
      lasting: sha256,
      lastingKeys: count,
      ephemeral: sha256,
      ephemeralKeys: count,
      bytes: count,
    }),
  }),
  /** The etcd snapshot as it came from the member, its trailer included. */
  plain: z.object({ size: count, sha256 }),
  /** The same as it lies in the archive: the chunks, encrypted or not, one behind the other. */
  stored: z.object({ size: count, sha256, chunks: count, compression: z.literal('gzip') }),
  /** Whom the chunks are encrypted for, as age files are; absent when they are in clear. */
  encrypted: z
    .union([z.object({ recipients: z.array(z.string()).min(1) }), z.object({ passphrase: z.literal(true) })])
    .optional(),
  /** What a restore from this archive alone does not bring back. */
  notIncluded: z.array(z.string()),
});

export type Manifest = z.infer<typeof manifestSchema>;

const sealedSchema = manifestSchema.extend({ seal: sha256 });

/**
 * @throws FerryError MANIFEST_INVALID; ARCHIVE_DAMAGED when it is not what was written (`integrity`); ARCHIVE_NEWER
 *   (`source`)
 */
export function parseManifest(bytes: Buffer, archive: string): Manifest {
  const text = bytes.toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(archive, 'is not JSON', error);
  }
  refuseNewer(value, text, archive);
  const parsed = sealedSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw invalid(archive, `is not valid at ${issue?.path.join('.') || 'its top'}: ${issue?.message ?? ''}`);
  }
  const { seal, ...manifest } = parsed.data;
  if (!isSealed(text, seal)) throw changed(archive);
  return manifest;
}

const newerSchema = z.object({ format: z.literal('sensu-ferry'), version: z.int().min(2), seal: sha256 });

/** What a newer version has written is no damage. Its seal tells it from a version number that was hit. */
function refuseNewer(value: unknown, text: string, archive: string): void {
  const { data } = newerSchema.safeParse(value);
  if (data === undefined || !isSealed(text, data.seal)) return;
  throw new FerryError({
    kind: 'source',
    code: 'ARCHIVE_NEWER',
    message: `The archive ${archive} has format ${data.version}, and this sensu-ferry reads 1.`,
    hint: 'Use the version of sensu-ferry that has written it, or a newer one.',
  });
}

function changed(archive: string): FerryError {
  return new FerryError({
    kind: 'integrity',
    code: 'ARCHIVE_DAMAGED',
    message: `The manifest in ${archive} is not what was written: it does not have the sha256 that it says.`,
    hint: 'Take another snapshot file; nothing was changed.',
  });
}

function invalid(archive: string, fault: string, cause?: unknown): FerryError {
  return new FerryError({
    kind: 'integrity',
    code: 'MANIFEST_INVALID',
    message: `The manifest in ${archive} ${fault}.`,
    hint: 'Take another snapshot file; this one is damaged.',
    cause,
  });
}
