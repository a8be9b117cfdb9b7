/** What a line in the log of a backend says of its standing with etcd. */
const logFaults = [
  'invalid auth token',
  'user name is empty',
  'permission denied',
  'the watcher has been stopped',
  'backend stopped working and is restarting',
] as const;

export type LogFault = (typeof logFaults)[number];

/**
 * Written at each start, once for each client URL, by a backend whose user is not root: etcd 3.5.30 and 3.6 tell their
 * status to root alone. The backend works without it.
 */
const harmless = 'error getting etcd cluster version info';

/** The fault that the line tells of; undefined for any other line. */
export function faultOf(line: string): LogFault | undefined {
  const said = wordsOf(line);
  return said.includes(harmless) ? undefined : logFaults.find((fault) => said.includes(fault));
}

/** When the line was written; undefined where it does not say. */
export function timeOf(line: string): Date | undefined {
  const time = fieldsOf(line)?.['time'];
  const date = new Date(typeof time === 'string' ? time : NaN);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** Without names of checks and the like, which may hold any words. On a terminal a backend does not write JSON. */
function wordsOf(line: string): string {
  const fields = fieldsOf(line);
  if (fields === undefined) return line;
  return [fields['msg'], fields['error']].filter((words) => typeof words === 'string').join(': ');
}

function fieldsOf(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
