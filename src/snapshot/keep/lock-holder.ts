import { z } from 'zod';

const holderSchema = z.object({
  host: z.string(),
  pid: z.int().positive(),
  startedAt: z.string(),
  pidSpace: z.string(),
  since: z.iso.datetime(),
  /** Tells this lock from every other one of the same name. */
  token: z.string(),
});

/** Who has a lock, as the lock itself says. */
export type Holder = z.infer<typeof holderSchema>;

/** Undefined for a lock that cannot be read, whose holder is judged by its age alone. */
export function parseHolder(content: Buffer): Holder | undefined {
  try {
    return holderSchema.safeParse(JSON.parse(content.toString('utf8'))).data;
  } catch {
    return undefined;
  }
}
