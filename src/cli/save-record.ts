import type { Context } from '../core/context.js';
import { FerryError } from '../core/errors.js';
import type { SavedFacts } from '../snapshot/save/textfile.js';

export interface RecordFlags {
  readonly textfile?: string;
  readonly to: string;
  readonly name?: string;
}

/** Does the work, and writes how it ended as metrics when a file for them is given. */
export async function recorded<Result extends { readonly saved: SavedFacts }>(
  context: Context,
  { textfile, to, name }: RecordFlags,
  work: () => Promise<Result>,
): Promise<Result> {
  if (textfile === undefined) return work();
  const { checkTextfileName, writeTextfile } = await import('../snapshot/save/textfile.js');
  checkTextfileName(textfile);
  const labels = { destination: to, ...(name !== undefined && { name }) };
  const startedAt = context.clock.now();
  const write = (saved: SavedFacts | undefined): Promise<void> =>
    writeTextfile(textfile, { startedAt, endedAt: context.clock.now(), saved, labels }, context.signal);
  let result: Result;
  try {
    result = await work();
  } catch (error) {
    await write(undefined).catch((fault: unknown) => {
      // What went wrong first is what the operator must see to.
      context.report.warn(fault instanceof FerryError ? fault.message : String(fault));
    });
    throw error;
  }
  await write(result.saved);
  return result;
}
