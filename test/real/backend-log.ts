import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** What a backend's log holds of one kind. */
interface LoggedKind {
  readonly words: string;
  readonly count: number;
}

export interface LoggedErrors {
  readonly errors: readonly LoggedKind[];
  /** Said at every start against etcd 3.5.30 and 3.6, where Status is for root alone. It keeps nothing from working. */
  readonly harmless: number;
}

const harmless = /error getting etcd cluster version info/;
const levels = new Set(['error', 'fatal', 'panic']);

/** Lines of level error and above after the first `from` bytes, alike ones counted together, the most frequent first. */
export async function errorsSince(path: string, from: number): Promise<LoggedErrors> {
  const counts = new Map<string, number>();
  let ignored = 0;
  for await (const line of createInterface({ input: createReadStream(path, { start: from }) })) {
    const words = errorOf(line);
    if (words === undefined) continue;
    if (harmless.test(words)) ignored += 1;
    else counts.set(words, (counts.get(words) ?? 0) + 1);
  }
  const errors = [...counts].map(([words, count]) => ({ words, count }));
  return { errors: errors.sort((a, b) => b.count - a.count), harmless: ignored };
}

/** What went wrong and where, with ids, times and addresses taken out, so that lines of one kind are alike. */
function errorOf(line: string): string | undefined {
  const entry = parsed(line);
  if (entry === undefined) return /^panic|^fatal/.test(line) ? line : undefined;
  if (!levels.has(entry['level'] ?? '')) return undefined;
  const words = [entry['component'], entry['msg'], entry['error']].filter((text) => text !== undefined);
  return words.join(': ').replace(/[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{10,}|\d+/g, '#');
}

function parsed(line: string): Readonly<Record<string, string | undefined>> | undefined {
  try {
    return JSON.parse(line) as Record<string, string>;
  } catch {
    return undefined;
  }
}
