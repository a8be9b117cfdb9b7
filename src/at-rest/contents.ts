import type { Context } from '../core/context.js';
import { classifyKey, outsideRoot } from '../sensu/keys/key-space.js';
import { MalformedValueError } from '../protobuf/protobuf.js';
import {
  apiKeyHint,
  decodeApiKey,
  decodeUser,
  type StoredApiKey,
  type StoredUser,
} from '../sensu/keys/values.js';
import { parseClusterId } from './cluster-id.js';
import { Digester, ttlByLease, type ContentDigest } from '../store/digest.js';
import type { StoreEntry, StoreView } from '../store/view.js';

/** Sums over keys. A key counts as leased when the store knows its lease, so that it will go by itself. */
interface Sums {
  readonly keys: number;
  /** Of keys and values. */
  readonly bytes: number;
  readonly leasedKeys: number;
}

interface PrefixSums extends Sums {
  readonly prefix: string;
}

/** What is in a store, as far as it is told to people and to manifests. */
export interface StoreContents extends Sums {
  readonly revision: bigint;
  readonly leases: number;
  /** Sorted by prefix. */
  readonly prefixes: readonly PrefixSums[];
  /** Of the Sensu root alone. */
  readonly digest: ContentDigest;
  readonly users: readonly StoredUser[];
  readonly apiKeys: readonly NamedApiKey[];
  /** Users and API keys whose value is in no form that is known, named as they may be shown. */
  readonly unreadable: readonly string[];
  readonly sensuClusterId?: string;
  readonly databaseVersion?: string;
  /** Keys that do not lie under the Sensu root. */
  readonly outsideRoot: number;
}

export interface NamedApiKey extends StoredApiKey {
  /** Secret: it is the key. */
  readonly name: string;
}

/** Reads every entry of the view once. @param count Is told how many keys were read by then. */
export async function readContents(
  view: StoreView,
  { signal }: Pick<Context, 'signal'>,
  count: (keys: number) => void = () => undefined,
): Promise<StoreContents> {
  const ttls = await ttlByLease(view);
  const counter = new ContentsCounter(ttls);
  let keys = 0;
  for await (const batch of view.entries()) {
    signal.throwIfAborted();
    keys += batch.length;
    count(keys);
    for (const entry of batch) counter.add(entry);
  }
  return { ...counter.finish(), revision: view.revision, leases: ttls.size };
}

type MutableSums = { -readonly [Name in keyof PrefixSums]: PrefixSums[Name] };

class ContentsCounter {
  readonly #ttls: ReadonlyMap<bigint, bigint>;
  readonly #digester: Digester;
  readonly #byPrefix = new Map<string, MutableSums>();
  readonly #facts = new SensuFacts();

  constructor(ttls: Awaited<ReturnType<typeof ttlByLease>>) {
    this.#ttls = ttls;
    this.#digester = new Digester(ttls);
  }

  add(entry: StoreEntry): void {
    const { group, name } = classifyKey(entry.key);
    const sums = this.#sumsOf(group);
    sums.keys += 1;
    sums.bytes += entry.key.length + entry.value.length;
    if (entry.lease !== undefined && this.#ttls.has(entry.lease)) sums.leasedKeys += 1;
    if (group !== outsideRoot) this.#digester.add(entry);
    this.#facts.take(group, name ?? '', entry.value);
  }

  finish(): Omit<StoreContents, 'revision' | 'leases'> {
    const prefixes = [...this.#byPrefix.values()].sort((a, b) => (a.prefix < b.prefix ? -1 : 1));
    const total = (of: keyof Sums): number => prefixes.reduce((sum, sums) => sum + sums[of], 0);
    return {
      keys: total('keys'),
      bytes: total('bytes'),
      leasedKeys: total('leasedKeys'),
      prefixes,
      digest: this.#digester.finish(),
      ...this.#facts.finish(),
      outsideRoot: this.#byPrefix.get(outsideRoot)?.keys ?? 0,
    };
  }

  #sumsOf(prefix: string): MutableSums {
    const known = this.#byPrefix.get(prefix);
    if (known !== undefined) return known;
    const sums = { prefix, keys: 0, bytes: 0, leasedKeys: 0 };
    this.#byPrefix.set(prefix, sums);
    return sums;
  }
}

/** The few entries whose values say something of the store as a whole. */
class SensuFacts {
  readonly #users: StoredUser[] = [];
  readonly #apiKeys: NamedApiKey[] = [];
  readonly #unreadable: string[] = [];
  #clusterId: string | undefined;
  #databaseVersion: string | undefined;

  take(group: string, name: string, value: Buffer): void {
    switch (group) {
      case '/sensu.io/users/':
        this.#decode(`user ${name}`, () => this.#users.push(decodeUser(value)));
        break;
      case '/sensu.io/apikeys/':
        this.#decode(`API key ${apiKeyHint(name)}`, () =>
          this.#apiKeys.push({ name, ...decodeApiKey(value) }),
        );
        break;
      case '/sensu.io/cluster_id':
        this.#clusterId = parseClusterId(value);
        break;
      case '/sensu.io/sensu_database_version':
        this.#databaseVersion = parseVersion(value);
        break;
    }
  }

  finish(): Pick<StoreContents, 'users' | 'apiKeys' | 'unreadable' | 'sensuClusterId' | 'databaseVersion'> {
    return {
      users: this.#users,
      apiKeys: this.#apiKeys,
      unreadable: this.#unreadable,
      ...(this.#clusterId !== undefined && { sensuClusterId: this.#clusterId }),
      ...(this.#databaseVersion !== undefined && { databaseVersion: this.#databaseVersion }),
    };
  }

  /** A value in a form of tomorrow must not keep anyone from saving the store. */
  #decode(what: string, decode: () => unknown): void {
    try {
      decode();
    } catch (error) {
      if (!(error instanceof MalformedValueError)) throw error;
      this.#unreadable.push(what);
    }
  }
}

function parseVersion(value: Buffer): string | undefined {
  const text = value.toString('utf8');
  return /^\d{1,20}$/.test(text) ? text : undefined;
}
