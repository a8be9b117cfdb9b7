import { z } from 'zod';
import { factsSchemas, stepIds, type StepId } from '../facts.js';
import { recordedSettingsSchema } from '../settings.js';

const at = z.iso.datetime();
const step = z.enum(stepIds);

/** How a run stands when nobody works at it. */
const outcomes = ['migrated', 'rolled-back', 'given-up'] as const;

export type Outcome = (typeof outcomes)[number];

/** One line of `journal.ndjson`. No line holds a secret. */
const eventSchema = z.discriminatedUnion('type', [
  z.object({
    ...{ type: z.literal('begun'), at, tool: z.string(), settings: recordedSettingsSchema },
    /** What the plan warned of. Journals of earlier releases do not say. */
    warnings: z.array(z.string()).readonly().optional(),
  }),
  z.object({ type: z.literal('started'), at, step }),
  z.object({ type: z.literal('done'), at, step, facts: z.unknown() }),
  /** `code`: of a FerryError. Journals of earlier releases do not have it. */
  z.object({ type: z.literal('failed'), at, step, error: z.string(), code: z.string().optional() }),
  z.object({ type: z.literal('rolling-back'), at }),
  z.object({ type: z.literal('ended'), at, outcome: z.enum(outcomes) }),
]);

export type JournalEvent = Readonly<z.infer<typeof eventSchema>>;

/** Why a journal cannot be believed. */
export class JournalFault extends Error {}

/**
 * A line that is not JSON was torn by a power cut or a full disk, and says nothing: whatever is cut off a line leaves
 * none. Any other line must be an event.
 * @throws JournalFault that names line and field, never a value
 */
export function parseEvents(text: string): JournalEvent[] {
  const events: JournalEvent[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const value = parseJson(line);
    if (value !== undefined) events.push(parseEvent(value, index + 1));
  }
  if (events[0]?.type !== 'begun') throw new JournalFault('does not begin with the settings of the run');
  return events;
}

function parseEvent(value: unknown, line: number): JournalEvent {
  const parsed = eventSchema.safeParse(value);
  if (!parsed.success) throw fault(line, parsed.error);
  const event = parsed.data;
  if (event.type !== 'done') return event;
  const facts = factsSchemas[event.step satisfies StepId].safeParse(event.facts);
  if (!facts.success) throw fault(line, facts.error);
  return { ...event, facts: facts.data };
}

function fault(line: number, { issues }: z.ZodError): JournalFault {
  const field = issues[0]?.path.join('.') ?? '';
  return new JournalFault(
    `has a line that this release does not know: line ${line}${field === '' ? '' : `, "${field}"`}`,
  );
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
