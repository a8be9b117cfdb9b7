import { z } from 'zod';
import { manifestSchema } from '../snapshot/archive/manifest.js';
import { proofSchema } from './proof.js';

/** The steps in their order. What follows `start` no longer costs downtime. */
export const stepIds = [
  'snapshot',
  'grants',
  'load',
  'stop',
  'difference',
  'configure',
  'start',
  'verify',
  'watch',
] as const;

export type StepId = (typeof stepIds)[number];

/** A revision or an id of 64 bits. */
const decimal = z.string().regex(/^\d{1,20}$/);

const { digest } = manifestSchema.shape.content.shape;

const list = <Item extends z.ZodType>(item: Item): z.ZodReadonly<z.ZodArray<Item>> =>
  z.array(item).readonly();

/**
 * What a step leaves for the steps after it, for `resume`, and for the report. Plain data, without secrets; it is read
 * back from the journal, which somebody may have edited.
 */
export const factsSchemas = {
  snapshot: z.object({
    archive: z.string(),
    revision: decimal,
    keys: z.number(),
    bytes: z.number(),
    digest,
    sensuClusterId: z.string().nullable(),
    prefixes: list(z.object({ prefix: z.string(), keys: z.number(), bytes: z.number() })),
    users: list(z.string()),
    /** `hint`: the last characters of a key, never the key. */
    apiKeys: list(z.object({ owner: z.string(), hint: z.string() })),
  }),
  grants: z.object({ changes: list(z.string()) }),
  load: z.object({ keys: z.number(), leases: z.number(), written: z.number(), milliseconds: z.number() }),
  stop: z.object({ stopAskedAt: z.iso.datetime(), stoppedAt: z.iso.datetime() }),
  difference: z.object({
    sourceRevision: decimal,
    targetRevision: decimal,
    walEntries: z.number(),
    put: z.number(),
    deleted: z.number(),
    leases: z.number(),
    keys: z.number(),
  }),
  configure: z.object({
    backendYml: list(z.string()),
    environment: list(z.string()),
    /** Where the embedded store lies, untouched. */
    oldStore: z.string(),
  }),
  start: z.object({
    answeredAt: z.iso.datetime(),
    downtimeMilliseconds: z.number(),
    /** True when the backend came back unseen, between the run that was cut off and `resume`. */
    downtimeAtMost: z.literal(true).optional(),
  }),
  verify: z.object({ proofs: list(proofSchema), digest: digest.nullable() }),
  watch: z.object({ seconds: z.number(), proofs: list(proofSchema) }),
} satisfies Record<StepId, z.ZodType>;

export type FactsOf<Id extends StepId> = Readonly<z.infer<(typeof factsSchemas)[Id]>>;

/** The watch is absent where the operator did not want to wait for it. */
export type Facts = { readonly [Id in Exclude<StepId, 'watch'>]: FactsOf<Id> } & {
  readonly watch?: FactsOf<'watch'>;
};
