import { formatCount, formatSome } from '../../core/units.js';
import type { KvReader } from '../../etcd/facets/kv.js';
import { classifyKey } from '../../sensu/keys/key-space.js';
import { MalformedValueError } from '../../protobuf/protobuf.js';
import { apiKeyHint, decodeApiKey, decodeUser } from '../../sensu/keys/values.js';
import { prefixRange } from '../../store/sensu-root.js';
import type { StoreEntry } from '../../store/view.js';
import { warning, type Finding } from '../findings.js';
import type { MigrationSource } from '../source.js';

/** Keys that are no configuration, and what they are to people. */
const stateGroups: readonly (readonly [group: string, what: string])[] = [
  ['/sensu.io/events/', 'events'],
  ['/sensu.io/keepalives/', 'records of agents that are down'],
  ['/sensu.io/switchsets/', 'watches over agents and TTLs'],
  ['/sensu.io/rings/', 'turns of round robin'],
  ['/sensu.io/queue/', 'checks that wait to be run once'],
  ['/sensu.io/user_sessions/', 'sessions'],
];

/** What `--config-only` does not carry, and what it carries although no dump does, by name. */
export async function inspectLeftBehind(client: KvReader, source: MigrationSource): Promise<Finding[]> {
  return [
    ...(await state(client, source)),
    ...(await agentsDown(client)),
    ...(await secretsOfNoDump(client)),
  ];
}

async function state(client: KvReader, { dataDirectory }: MigrationSource): Promise<Finding[]> {
  const counts = await Promise.all(
    stateGroups.map(async ([group, what]) => ({ what, keys: await countOf(client, group) })),
  );
  const found = counts.filter(({ keys }) => keys > 0n);
  if (found.length === 0) return [];
  const listed = found.map(({ what, keys }) => `${what} (${formatCount(keys)})`).join(', ');
  return [
    warning(
      'STATE_STAYS_BEHIND',
      `Configuration only: ${listed} stay behind. What is open in other systems now will not be closed there by Sensu.`,
      `Leave out --config-only to carry them too. They stay in the safety snapshot and in ${dataDirectory}, and can be read there with dump --from.`,
    ),
  ];
}

/** Sensu watches an agent from the first keepalive that it gets of it, or from its record of those that are down. */
async function agentsDown(client: KvReader): Promise<Finding[]> {
  const range = prefixRange(Buffer.from('/sensu.io/keepalives/'));
  const { entries, count } = await client.range({ ...range, keysOnly: true, limit: named });
  if (entries.length === 0) return [];
  const agents = entries.map(({ key }) => {
    const { namespace = '', name = '' } = classifyKey(key);
    return `${namespace}/${name}`;
  });
  return [
    warning(
      'AGENTS_ARE_DOWN',
      `Agents that are down now raise no alert on the new store until they have reported there once: ${formatSome(agents, count)}.`,
      'Bring them back before, delete their entities, or leave out --config-only.',
    ),
  ];
}

async function secretsOfNoDump(client: KvReader): Promise<Finding[]> {
  const users = (await valuesUnder(client, '/sensu.io/users/', decodeUser)).flatMap(({ value }) =>
    value.hasPassword ? value.username : [],
  );
  const keys = (await valuesUnder(client, '/sensu.io/apikeys/', decodeApiKey)).map(
    ({ name, value }) => `${apiKeyHint(name)} of ${value.owner}`,
  );
  if (users.length + keys.length === 0) return [];
  const listed = [
    `the passwords of ${list(users)}`,
    ...(keys.length > 0 ? [`the API keys ${list(keys)}`] : []),
  ].join(' and ');
  return [
    warning(
      'SECRETS_OF_NO_DUMP',
      `A dump does not carry ${listed}. This run does: it takes them from the store.`,
      'They would be lost if you moved the configuration by sensuctl dump and create instead. Whoever knows them gets in as before.',
    ),
  ];
}

interface Named<Value> {
  readonly name: string;
  readonly value: Value;
}

/** Those whose value cannot be read are carried like all others; they only have nothing to be named by. */
async function valuesUnder<Value>(
  client: KvReader,
  group: string,
  decode: (value: Buffer) => Value,
): Promise<readonly Named<Value>[]> {
  const { entries } = await client.range(prefixRange(Buffer.from(group)));
  return entries.flatMap(({ key, value }: StoreEntry) => {
    try {
      return { name: key.toString('utf8').slice(group.length), value: decode(value) };
    } catch (error) {
      if (error instanceof MalformedValueError) return [];
      throw error;
    }
  });
}

async function countOf(client: KvReader, group: string): Promise<bigint> {
  return (await client.range({ ...prefixRange(Buffer.from(group)), countOnly: true })).count;
}

/** How many of a kind are named. */
const named = 20;

function list(names: readonly string[]): string {
  return formatSome(names.slice(0, named), names.length);
}
