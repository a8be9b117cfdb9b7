import { apiKeyHint } from '../sensu/keys/values.js';
import { objectAt, textAt, type ApiResource } from '../sensu/resources/api-value.js';
import { eventParts } from '../sensu/resources/event.js';
import { passwordHash, redactedPaths } from '../sensu/resources/secrets.js';
import { endOfSilence, hasEnded, isEndless } from '../sensu/resources/silence.js';
import type { DumpItem } from './item.js';

/** Some of many, and how many there are. */
export interface Listing<Item> {
  readonly count: number;
  readonly first: readonly Item[];
}

export interface ResourceName {
  readonly type: string;
  readonly namespace: string;
  readonly name: string;
}

/** What a dump does not carry, and what becomes of what it does when `sensuctl create` reads it. */
export interface LossReport {
  /** Something of the store cannot be brought back with this dump. */
  readonly loses: boolean;
  readonly resources: number;
  /** By type, in the order of the dump. */
  readonly types: Readonly<Record<string, number>>;
  /** Users whose password is not in the dump. */
  readonly usersWithoutPassword: readonly string[];
  /** `create` makes no API key of a dump. The key itself is secret: its last characters tell it apart. */
  readonly apiKeys: readonly { readonly owner: string; readonly hint: string }[];
  /** Values that are masked in the dump. */
  readonly redacted: Listing<ResourceName & { readonly paths: readonly string[] }>;
  /** Fields of a newer Sensu, and those that its API never shows. */
  readonly fieldsNotShown: Listing<ResourceName & { readonly paths: readonly string[] }>;
  readonly unreadable: Listing<{ readonly key: string; readonly why: string }>;
  readonly halfEntities: Listing<{ readonly namespace: string; readonly name: string }>;
  /** Keys of kinds that no dump holds. */
  readonly leftOut: readonly { readonly group: string; readonly keys: number }[];
  /** Types that were asked for and not given, with the reason. */
  readonly skippedTypes: readonly { readonly type: string; readonly why: string }[];
  /** Entities that an agent manages: `create` is refused, and the agent makes them anew. */
  readonly refusedEntities: Listing<Pick<ResourceName, 'namespace' | 'name'>>;
  /** Silences without an end, or one that is more than a day away: Sensu 6.12 cuts or refuses them. */
  readonly silencesCutShort: Listing<Pick<ResourceName, 'namespace' | 'name'>>;
  /** Silences that had ended when the store was as it is. They are left out, as Sensu leaves them out. */
  readonly endedSilences: Listing<Pick<ResourceName, 'namespace' | 'name'>>;
  /** Silences that have ended since: Sensu deletes what `create` makes of them. */
  readonly silencesEndedSince: Listing<Pick<ResourceName, 'namespace' | 'name'>>;
  /**
   * Labels and annotations that are in the dump in clear, and that `sensuctl create` masks before it sends them: what
   * the entity itself names as secret. `restore config` sends them as they are.
   */
  readonly maskedByCreate: Listing<ResourceName & { readonly paths: readonly string[] }>;
  /** Events that go to handlers when they are created. */
  readonly eventsHandledAgain: number;
  /** Resources that `create` marks with the label `sensu.io/managed_by: sensuctl`. */
  readonly labelled: number;
  /** What no dump ever holds. */
  readonly neverHeld: readonly string[];
}

const neverHeld = [
  'the secret that signs access tokens: everybody logs in again',
  "Sensu's cluster id",
  'sessions',
  'which agents and checks are being watched (keepalives, TTLs, round robin)',
  'created_by: whoever runs create becomes it',
];

/** How many of a listing are named. */
const named = 20;
const day = 86_400;
const managedBy = 'sensu.io/managed_by';

class List<Item> implements Listing<Item> {
  count = 0;
  readonly first: Item[] = [];

  add(item: Item): void {
    this.count += 1;
    if (this.first.length < named) this.first.push(item);
  }
}

export interface LossOptions {
  readonly withSecrets: boolean;
  readonly now: Date;
}

/** Gathers what a dump loses, item by item. */
export class LossCollector {
  readonly #withSecrets: boolean;
  readonly #now: Date;
  readonly #types: Record<string, number> = {};
  readonly #users: string[] = [];
  readonly #apiKeys: { owner: string; hint: string }[] = [];
  readonly #leftOut: { group: string; keys: number }[] = [];
  readonly #skipped: { type: string; why: string }[] = [];
  readonly #redacted = new List<ResourceName & { paths: readonly string[] }>();
  readonly #notShown = new List<ResourceName & { paths: readonly string[] }>();
  readonly #maskedByCreate = new List<ResourceName & { paths: readonly string[] }>();
  readonly #unreadable = new List<{ key: string; why: string }>();
  readonly #halves = new List<{ namespace: string; name: string }>();
  readonly #refused = new List<{ namespace: string; name: string }>();
  readonly #cutShort = new List<{ namespace: string; name: string }>();
  readonly #ended = new List<{ namespace: string; name: string }>();
  readonly #endedSince = new List<{ namespace: string; name: string }>();
  #resources = 0;
  #handledAgain = 0;
  #labelled = 0;

  constructor({ withSecrets, now }: LossOptions) {
    this.#withSecrets = withSecrets;
    this.#now = now;
  }

  /** @param masked Paths that were masked in the resource beside what Sensu itself redacts. */
  add(item: DumpItem, masked: readonly string[] = []): void {
    if (item.is === 'unreadable') this.#unreadable.add({ key: item.key, why: item.why });
    else if (item.is === 'skipped') this.#skipped.push({ type: item.type, why: item.why });
    else if (item.is === 'left out') this.#leftOut.push({ group: item.group, keys: item.keys });
    else if (item.is === 'ended silence') this.#ended.add({ namespace: item.namespace, name: item.name });
    else if (item.is === 'half an entity') this.#halves.add({ namespace: item.namespace, name: item.name });
    else this.#addResource(item, masked);
  }

  #addResource(item: Extract<DumpItem, { is: 'resource' }>, masked: readonly string[]): void {
    const { resource, unknown, hidden } = item;
    const name = nameOf(resource);
    this.#resources += 1;
    this.#types[resource.type] = (this.#types[resource.type] ?? 0) + 1;
    if (objectAt(resource.metadata, 'labels')[managedBy] === undefined) this.#labelled += 1;
    const notShown = [...unknown, ...hidden.filter(isOfWorth)].map(({ path }) => path);
    if (notShown.length > 0) this.#notShown.add({ ...name, paths: notShown });
    const redacted = [...masked, ...(this.#withSecrets ? [] : pathsOfSecrets(resource, item.isMasked))];
    if (redacted.length > 0) this.#redacted.add({ ...name, paths: redacted });
    const inClear = this.#withSecrets ? pathsOfSecrets(resource, false) : [];
    if (inClear.length > 0) this.#maskedByCreate.add({ ...name, paths: inClear });
    this.#judge(resource, name);
  }

  #judge(resource: ApiResource, { namespace, name }: ResourceName): void {
    const { spec } = resource;
    switch (resource.type) {
      case 'User':
        if (!this.#withSecrets || passwordHash(resource) === '') this.#users.push(name);
        break;
      case 'APIKey':
        this.#apiKeys.push({ owner: textAt(spec, 'username'), hint: apiKeyHint(name) });
        break;
      case 'Entity':
        if (objectAt(resource.metadata, 'labels')[managedBy] === 'sensu-agent')
          this.#refused.add({ namespace, name });
        break;
      case 'Silenced':
        if (isCutShort(spec, this.#now)) this.#cutShort.add({ namespace, name });
        if (hasEnded(resource, this.#now)) this.#endedSince.add({ namespace, name });
        break;
      case 'Event':
        if (isHandled(objectAt(spec, 'check'))) this.#handledAgain += 1;
        break;
    }
  }

  finish(): LossReport {
    const report = {
      resources: this.#resources,
      types: this.#types,
      usersWithoutPassword: this.#users,
      apiKeys: this.#apiKeys,
      redacted: this.#redacted,
      fieldsNotShown: this.#notShown,
      unreadable: this.#unreadable,
      halfEntities: this.#halves,
      leftOut: this.#leftOut,
      skippedTypes: this.#skipped,
      refusedEntities: this.#refused,
      silencesCutShort: this.#cutShort,
      endedSilences: this.#ended,
      silencesEndedSince: this.#endedSince,
      maskedByCreate: this.#maskedByCreate,
      eventsHandledAgain: this.#handledAgain,
      labelled: this.#labelled,
      neverHeld,
    };
    return { loses: losesAnything(report), ...report };
  }
}

function losesAnything(report: Omit<LossReport, 'loses'>): boolean {
  const lists = [report.usersWithoutPassword, report.apiKeys, report.leftOut, report.skippedTypes];
  const listings: readonly Listing<unknown>[] = [
    ...[report.redacted, report.fieldsNotShown, report.unreadable, report.halfEntities],
    ...[report.refusedEntities, report.silencesCutShort],
  ];
  return lists.some(({ length }) => length > 0) || listings.some(({ count }) => count > 0);
}

export function nameOf({ type, metadata, spec }: ApiResource): ResourceName {
  const namespace = textAt(metadata, 'namespace');
  if (type !== 'Event') return { type, namespace, name: textAt(metadata, 'name') };
  const { entity, check } = eventParts(spec);
  return { type, namespace, name: [entity, check].filter((one) => one !== '').join('/') };
}

/** Sensu sets these anew. */
function isOfWorth({ path }: { readonly path: string }): boolean {
  return !/(^|\.)(scheduler|flapping)$/.test(path);
}

function pathsOfSecrets({ type, metadata, spec }: ApiResource, isMasked: boolean): string[] {
  if (type === 'Entity') return redactedPaths(metadata, spec, isMasked).map((path) => `metadata.${path}`);
  if (type !== 'Event') return [];
  const entity = objectAt(spec, 'entity');
  return redactedPaths(objectAt(entity, 'metadata'), entity, isMasked).map(
    (path) => `spec.entity.metadata.${path}`,
  );
}

function isCutShort(spec: ApiResource['spec'], now: Date): boolean {
  return isEndless(spec) || Number(endOfSilence(spec)) > now.getTime() / 1000 + day;
}

function isHandled(check: ApiResource['spec']): boolean {
  return ['handlers', 'pipelines'].some((name) => {
    const list = check[name];
    return Array.isArray(list) && list.length > 0;
  });
}
