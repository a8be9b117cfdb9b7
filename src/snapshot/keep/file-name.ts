import { FerryError } from '../../core/errors.js';

/** What the name of a snapshot says of it. */
interface NamedFacts {
  /** What comes first, and is the same for all that one schedule saves. */
  readonly series: string;
  readonly createdAt: Date;
  readonly revision: bigint;
}

/** Without its ending, such as `sensu-1a2b3c4d-20260801T020000Z-r5120`. */
export function fileName({ series, createdAt, revision }: NamedFacts): string {
  const time = createdAt.toISOString().replace(/[-:]|\.\d+/g, '');
  return `${series}-${time}-r${revision}`;
}

/** Undefined for a name of another form. */
export function factsInName(name: string): NamedFacts | undefined {
  const [, series, date, hour, minute, second, revision] =
    /^(.+)-(\d{8})T(\d\d)(\d\d)(\d\d)Z-r(\d{1,19})(?:-\d+)?\.\w+$/.exec(name) ?? [];
  if (date === undefined) return undefined;
  const day = date.replace(/(....)(..)(..)/, '$1-$2-$3');
  const createdAt = new Date(`${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(createdAt.getTime())) return undefined;
  return { series: series!, createdAt, revision: BigInt(revision!) };
}

/** Saves of one revision in one second are no more than that, unless something is wrong with the place. */
const mostAlike = 100;

/** Takes the name, or with `-2`, `-3` and so on before its ending the first that is free: two runs may share a second. */
export async function takeFreeName<Taken>(
  name: string,
  take: (name: string) => Promise<Taken>,
): Promise<Taken> {
  for (let number = 1; ; number += 1) {
    try {
      return await take(number === 1 ? name : name.replace(/(?=\.\w+$)/, `-${number}`));
    } catch (error) {
      const isTaken = error instanceof FerryError && error.code === 'FILE_EXISTS';
      if (!isTaken || number === mostAlike) throw error;
    }
  }
}
