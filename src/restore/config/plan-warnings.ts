import { formatCount, formatSome } from '../../core/units.js';
import { showResource, type DumpResource } from '../../dump/read/resource.js';
import type { ApiConnection } from '../../sensu/api/connection.js';
import { integerAt, listAt, objectAt } from '../../sensu/resources/api-value.js';
import { redacted, redactedPaths } from '../../sensu/resources/secrets.js';
import { endOfSilence, hasEnded, isEndless } from '../../sensu/resources/silence.js';
import type { PlannedResource } from './planned.js';

/** What needs the operator's eyes in a plan, before it is carried out and after. Of what is equal nothing is said. */
export function warningsOf(planned: readonly PlannedResource[], api: ApiConnection, now: Date): string[] {
  const sent = planned
    .filter(({ action }) => action !== 'equal' && action !== 'refused')
    .map(({ resource }) => resource);
  return [
    ...sent.flatMap(redactedFields),
    ...sent.flatMap((resource) => ownLogin(resource, api)),
    ...longSilences(sent, now),
    ...postedEvents(sent),
  ];
}

/** A dump of the API holds REDACTED in the place of what it hid: put back, that is what the entity has. */
function redactedFields(resource: DumpResource): string[] {
  if (resource.type !== 'Entity') return [];
  const lost = redactedPaths(resource.metadata, resource.spec, true);
  if (lost.length === 0) return [];
  return [
    `${showResource(resource)}: ${lost.join(', ')} are ${redacted} in the dump, and will be in the store. Make the dump from a store, with --with-secrets, to keep them.`,
  ];
}

/** The user that this restore itself logs in as. Tokens last for minutes; behind them it must log in again. */
function ownLogin({ type, name, spec }: DumpResource, { username }: ApiConnection): string[] {
  if (type !== 'User' || username === undefined || name !== username) return [];
  const becomes =
    spec['disabled'] === true ? 'is disabled in the dump' : 'gets the password that the dump has';
  return [
    `User ${name}, who this logs in as, ${becomes}: what follows may fail when its token has expired. Log in with --api-key-file, or as another user.`,
  ];
}

/** How many resources a sentence names. */
const named = 20;

function namesOf(resources: readonly DumpResource[]): string {
  return formatSome(resources.slice(0, named).map(showResource), resources.length);
}

/** What is good to know of a plan: nothing of it is missed, and a second run says it again. */
export function notesOf(planned: readonly PlannedResource[], now: Date): string[] {
  const ended = planned.map(({ resource }) => resource).filter((resource) => hasEnded(resource, now));
  return ended.length === 0 ? [] : [`Not sent, as they have ended meanwhile: ${namesOf(ended)}.`];
}

/** Unless it is set, `max-silenced-expiry-time-allowed` of Sensu 6.12. */
const longestSilence = 86_400n;

function longSilences(sent: readonly DumpResource[], now: Date): string[] {
  const limit = BigInt(Math.floor(now.getTime() / 1000)) + longestSilence;
  const long = sent.filter(
    ({ type, spec }) => type === 'Silenced' && (isEndless(spec) || endOfSilence(spec) > limit),
  );
  if (long.length === 0) return [];
  return [
    `Sensu 6.12 refuses silences that end more than a day from now, and ends those without an end after a day, unless backend.yml sets max-silenced-expiry-time-allowed and default-silenced-expiry-time: ${namesOf(long)}.`,
  ];
}

/** What Sensu does with an event that is posted: it has no way to put one back as it was. */
function postedEvents(sent: readonly DumpResource[]): string[] {
  const checks = sent.filter(({ type }) => type === 'Event').map(({ spec }) => objectAt(spec, 'check'));
  if (checks.length === 0) return [];
  const handled = checks.filter((check) =>
    ['handlers', 'pipelines'].some((field) => listAt(check, field).length > 0),
  );
  const watched = checks.filter((check) => integerAt(check, 'ttl') > 0n);
  return [
    `Sensu takes each event that is posted (${formatCount(checks.length)}) for a new result: its occurrences and its history grow by one, it goes to its handlers and pipelines again (${formatCount(handled.length)} have some), its TTL begins to run, with an alert if no result follows (${formatCount(watched.length)} have one), and a passing one ends silences that expire on resolve.`,
  ];
}
