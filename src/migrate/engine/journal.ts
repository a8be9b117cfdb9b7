import { constants } from 'node:fs';
import { rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { FerryError, systemCode } from '../../core/errors.js';
import type { LinkLock } from '../../host/link-lock.js';
import { PartFile } from '../../core/part-file.js';
import type { Facts, FactsOf, StepId } from '../facts.js';
import { JournalFault, parseEvents, type JournalEvent, type Outcome } from './journal-events.js';
import { makeRunDirectory, openRunFile, readRunFile, refuseForeignRun } from './run-directory.js';
import { watchVerdicts } from '../proof.js';
import { takeRunLock } from './run-lock.js';
import type { RecordedSettings } from '../settings.js';

/** What the journal says of a run. */
export interface RunState {
  readonly settings: RecordedSettings;
  readonly begunAt: string;
  /** What the plan warned of before. */
  readonly warnings: readonly string[];
  readonly facts: Partial<Facts>;
  /** Steps that were begun, whether or not they ended. */
  readonly started: ReadonlySet<StepId>;
  /** When the backend was first asked to stop, as far as the run has brought nothing else to light. */
  readonly stopAskedAt: string | undefined;
  /** When the last watch ended with faults; undefined when none did, or when it was cut off. */
  readonly watchFailedAt: string | undefined;
  readonly lastError: string | undefined;
  /** The step that was under way when the run was cut off; undefined when it ended, failed or is being undone. */
  readonly cutOffAt: StepId | undefined;
  /** True when the way back was begun, by a failure or by `rollback`, whether or not it was walked to its end. */
  readonly rollbackBegun: boolean;
  readonly outcome: Outcome | undefined;
}

export const journalName = 'journal.ndjson';

/** The record of a run: each event is on the disk before the next thing is done. */
export class Journal {
  readonly directory: string;
  readonly #handle: FileHandle;
  readonly #lock: LinkLock;

  private constructor(directory: string, handle: FileHandle, lock: LinkLock) {
    this.directory = directory;
    this.#handle = handle;
    this.#lock = lock;
  }

  /** Starts the journal of a new run. The directory may exist, but must not hold another run's journal. */
  static async create(directory: string, first: JournalEvent & { type: 'begun' }): Promise<Journal> {
    await makeRunDirectory(directory);
    const lock = await takeRunLock(directory);
    try {
      await writeFirstLine(directory, lineOf(first));
      return new Journal(directory, await openToAppend(directory), lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Goes on with the journal of an earlier run. */
  static async reopen(directory: string): Promise<Journal> {
    await refuseForeignRun(directory);
    const lock = await takeRunLock(directory);
    try {
      return new Journal(directory, await openToAppend(directory), lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** @throws FerryError JOURNAL_NOT_WRITTEN (`failed`), after which the journal is as it was */
  async append(event: JournalEvent): Promise<void> {
    const { size } = await this.#handle.stat();
    try {
      // A line that a power cut tore must not swallow this one.
      const line = (await endsInsideLine(this.directory)) ? `\n${lineOf(event)}` : lineOf(event);
      await this.#handle.writeFile(line);
      await this.#handle.datasync();
    } catch (error) {
      // A full disk takes the beginning of a line.
      await this.#handle.truncate(size).catch(() => undefined);
      throw notWritten(this.directory, error);
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
    await this.#lock.release();
  }
}

/** What the journal in the directory says. Reading needs no lock, so `migrate status` works beside a run. */
export async function readRun(directory: string): Promise<RunState> {
  await refuseForeignRun(directory);
  const events = eventsOf(directory, await readJournal(directory));
  const begun = events.find((event) => event.type === 'begun')!;
  const done = events.filter((event) => event.type === 'done');
  const facts: Partial<Facts> = Object.fromEntries(done.map((event) => [event.step, event.facts]));
  const stopBegun = events.find((event) => event.type === 'started' && event.step === 'stop');
  return {
    settings: begun.settings,
    begunAt: begun.at,
    warnings: begun.warnings ?? [],
    facts,
    stopAskedAt: facts.stop?.stopAskedAt ?? stopBegun?.at,
    watchFailedAt: events.findLast(isFailedWatch)?.at,
    started: new Set(events.flatMap((event) => (event.type === 'started' ? [event.step] : []))),
    lastError: events.findLast((event) => event.type === 'failed')?.error,
    cutOffAt: cutOffAt(events),
    rollbackBegun: events.some((event) => event.type === 'rolling-back'),
    outcome: outcomeOf(events),
  };
}

const isFailedWatch = (event: JournalEvent): boolean =>
  event.type === 'failed' &&
  event.step === 'watch' &&
  (event.code === undefined || watchVerdicts.some((code) => code === event.code));

/** A run that was taken up again after its end is under way. */
function outcomeOf(events: readonly JournalEvent[]): Outcome | undefined {
  const last = events.at(-1);
  return last?.type === 'ended' ? last.outcome : undefined;
}

function cutOffAt(events: readonly JournalEvent[]): StepId | undefined {
  const last = events.at(-1);
  return last?.type === 'started' ? last.step : undefined;
}

/** Facts of a step that must have been done by now. */
export function factsOf<Id extends StepId>(facts: Partial<Facts>, step: Id): FactsOf<Id> {
  const found = facts[step] as FactsOf<Id> | undefined;
  if (found === undefined) throw new Error(`Step ${step} has left no facts in the journal.`);
  return found;
}

function eventsOf(directory: string, text: string): JournalEvent[] {
  try {
    return parseEvents(text);
  } catch (error) {
    if (error instanceof JournalFault) throw unreadable(directory, error.message);
    throw error;
  }
}

async function readJournal(directory: string): Promise<string> {
  const content = await readRunFile(directory, journalName).catch((error: unknown) => {
    if (error instanceof FerryError) throw error;
    throw unreadable(directory, `cannot be read (${systemCode(error) ?? 'unknown error'})`);
  });
  if (content === undefined) throw unreadable(directory, 'does not exist');
  return content.toString('utf8');
}

async function endsInsideLine(directory: string): Promise<boolean> {
  return !(await readJournal(directory)).endsWith('\n');
}

function lineOf(event: JournalEvent): string {
  return `${JSON.stringify(event, (_key, part: unknown) => bigintAsText(part))}\n`;
}

/** With its first line or not at all: without the settings in it nobody could go on or back. */
async function writeFirstLine(directory: string, line: string): Promise<void> {
  const path = join(directory, journalName);
  await rm(`${path}.part`, { force: true });
  const part = await PartFile.create(path);
  try {
    await part.write(Buffer.from(line));
    await part.commit(path);
  } catch (error) {
    await part.discard();
    throw error instanceof FerryError && error.code === 'FILE_EXISTS' ? alreadyUsed(directory) : error;
  }
}

async function openToAppend(directory: string): Promise<FileHandle> {
  try {
    return await openRunFile(directory, journalName, constants.O_WRONLY | constants.O_APPEND);
  } catch (error) {
    if (error instanceof FerryError) throw error;
    throw unreadable(directory, `cannot be opened (${systemCode(error) ?? 'unknown error'})`);
  }
}

function bigintAsText(part: unknown): unknown {
  return typeof part === 'bigint' ? String(part) : part;
}

function unreadable(directory: string, fault: string): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'RUN_UNREADABLE',
    message: `The journal of a migration in ${directory} ${fault}.`,
    hint: 'Give the --run-dir that the migration was started with. A run of a newer release needs that release. Of a damaged one the files from before the switch are left, original-backend.yml and original-environment.',
  });
}

function notWritten(directory: string, cause: unknown): FerryError {
  return new FerryError({
    kind: 'failed',
    code: 'JOURNAL_NOT_WRITTEN',
    message: `The journal in ${directory} cannot be written (${systemCode(cause) ?? 'unknown error'}).`,
    hint: 'Free space on that disk, then look at how things stand with migrate status.',
    cause,
  });
}

function alreadyUsed(directory: string): FerryError {
  return new FerryError({
    kind: 'refused',
    code: 'RUN_EXISTS',
    message: `${directory} holds the journal of another migration.`,
    hint: `Look at it with 'sensu-ferry migrate status --run-dir ${directory}', go on with 'migrate resume', or give another --run-dir.`,
  });
}
