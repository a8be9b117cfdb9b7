import type { Kv } from '../../etcd/facets/kv.js';
import { classifyKey } from '../../sensu/keys/key-space.js';
import type { ApiResource } from '../../sensu/resources/api-value.js';
import { encodeResource, type StoredPair } from '../../sensu/resources/encode-resource.js';
import { FieldError } from '../../sensu/resources/field-error.js';
import { entityConfigs, entityStates } from '../../sensu/resources/kinds.js';
import { joinEntity, toApiResource, type StoredResource } from '../../sensu/resources/to-api-resource.js';
import { prefixRange, singleKey } from '../../store/sensu-root.js';
import type { StoreEntry } from '../../store/view.js';
import { keyNamed, kindNamed } from './keys.js';
import { ApiFault } from './answer.js';

export interface PageWish {
  /** 0 for all. */
  readonly limit: number;
  /** As `next` of the page before gave it; empty for the first page. */
  readonly from: string;
}

export interface Page {
  readonly resources: readonly ApiResource[];
  /** Where the next page begins; empty when this was the last. */
  readonly next: string;
}

const everything: PageWish = { limit: 0, from: '' };

/** Resources in the store of the double, read and written as Sensu does. */
export class ResourceStore {
  readonly #client: Kv;

  constructor(client: Kv) {
    this.#client = client;
  }

  async list(type: string, namespace?: string, wish = everything): Promise<Page> {
    if (type === 'Entity') return this.#listEntities(namespace, wish);
    const { group } = kindNamed(type);
    // In all namespaces, the place of an event begins with a slash and that of others does not.
    const from = wish.from.replace(/^\//, '');
    const { entries, next } = await this.#page(group, namespace, { ...wish, from });
    const lead = type === 'Event' && namespace === undefined && next !== '' ? '/' : '';
    return { resources: entries.map((entry) => decode(entry).resource), next: lead + next };
  }

  /** Both halves are read by pages of their own, and each has its place. */
  async #listEntities(namespace: string | undefined, { limit, from }: PageWish): Promise<Page> {
    const places = readPlaces(from);
    const [configs, states] = await Promise.all([
      this.#page(entityConfigs, namespace, { limit, from: places.config }),
      this.#page(entityStates, namespace, { limit, from: places.state }),
    ]);
    const byName = new Map(states.entries.map((entry) => [nameIn(entityStates, entry), decode(entry)]));
    const resources = configs.entries.map(
      (entry) => joinEntity(decode(entry), byName.get(nameIn(entityConfigs, entry))).resource,
    );
    return { resources, next: writePlaces(configs.next, states.next) };
  }

  async #page(
    group: string,
    namespace: string | undefined,
    { limit, from }: PageWish,
  ): Promise<{ entries: readonly StoreEntry[]; next: string }> {
    const prefix = namespace === undefined ? group : `${group}${namespace}/`;
    const range = prefixRange(Buffer.from(prefix));
    const start = from === '' ? range.start : Buffer.from(prefix + from);
    const { entries, more } = await this.#client.range({ ...range, start, ...(limit > 0 && { limit }) });
    const last = entries.at(-1);
    const next = limit > 0 && more && last ? `${last.key.toString('utf8').slice(prefix.length)}\0` : '';
    return { entries, next };
  }

  async get(type: string, name: string, namespace?: string): Promise<ApiResource | undefined> {
    const entry = await this.#entry(keyNamed(type, name, namespace));
    if (entry === undefined) return undefined;
    if (type !== 'Entity') return decode(entry).resource;
    const state = await this.#entry(Buffer.from(`${entityStates}${namespace ?? ''}/${name}`));
    // Sensu finds an entity by its name only when it has both halves.
    return state && joinEntity(decode(entry), decode(state)).resource;
  }

  /** @throws ApiFault as Sensu answers to a field of the wrong type, and when the namespace is not there */
  async put(resource: ApiResource, half?: 'configuration'): Promise<void> {
    const pairs = encode(resource);
    const { namespace } = classifyKey(pairs[0]!.key);
    const writes = pairs
      .slice(0, half === undefined ? undefined : 1)
      .map(({ key, value }) => ({ type: 'put' as const, key, value }));
    const guards =
      namespace === undefined || resource.type === 'Namespace' ? [] : [await this.#guard(namespace)];
    const { succeeded } = await this.#client.txn({ guards, writes });
    if (!succeeded) throw new ApiFault('internal', 'could not update the key');
  }

  async #guard(namespace: string): Promise<{ key: Buffer; modRevision: StoreEntry['modRevision'] }> {
    const key = keyNamed('Namespace', namespace);
    const entry = await this.#entry(key);
    if (entry !== undefined) return { key, modRevision: entry.modRevision };
    throw new ApiFault('internal', `the namespace ${namespace} does not exist`);
  }

  async #entry(key: Buffer): Promise<StoreEntry | undefined> {
    return (await this.#client.range(singleKey(key))).entries[0];
  }
}

/** Of an entity its configuration comes first. */
function encode(resource: ApiResource): readonly StoredPair[] {
  try {
    return encodeResource(resource)!;
  } catch (error) {
    throw error instanceof FieldError ? new ApiFault('invalid', error.message) : error;
  }
}

function decode({ key, value }: StoreEntry): StoredResource {
  return toApiResource(classifyKey(key), value)!;
}

function nameIn(group: string, { key }: StoreEntry): string {
  return key.toString('utf8').slice(group.length);
}

interface Places {
  readonly config: string;
  readonly state: string;
}

function readPlaces(from: string): Places {
  const { ConfigContinue = '', StateContinue = '' } = JSON.parse(from || '{}') as Record<string, string>;
  const plain = (text: string): string => Buffer.from(text, 'base64').toString('utf8');
  return { config: plain(ConfigContinue), state: plain(StateContinue) };
}

function writePlaces(config: string, state: string): string {
  const places = {
    ...(config !== '' && { ConfigContinue: Buffer.from(config).toString('base64') }),
    ...(state !== '' && { StateContinue: Buffer.from(state).toString('base64') }),
  };
  return config === '' && state === '' ? '' : JSON.stringify(places);
}
