import bcrypt from 'bcryptjs';
import { objectAt, textAt, without, type ApiResource } from '../../sensu/resources/api-value.js';
import { ApiFault } from './answer.js';
import type { ResourceStore } from './resource-store.js';

/** A resource as it came, and who sent it. */
export interface Write {
  readonly resource: ApiResource;
  readonly username: string;
}

type Rule = (write: Write, store: ResourceStore) => Promise<void>;

/** What Sensu 6.12 makes of what it is sent, by type. @throws ApiFault */
export async function write(wish: Write, store: ResourceStore): Promise<void> {
  const rule = rules[wish.resource.type] ?? putCreated;
  await rule(wish, store);
}

const rules: Readonly<Record<string, Rule>> = {
  User: async ({ resource }, store) => {
    await store.put({ ...resource, spec: await withHash(resource.spec) });
  },
  Namespace: putNamespace,
  Entity: putEntity,
  // Sensu runs an event through its pipelines before it keeps it; here there is none.
  Event: ({ resource }, store) => store.put(resource),
  Silenced: ({ resource, username }, store) =>
    putCreated({ resource: limitSilence(resource, username), username }, store),
  TessenConfig: ({ resource }, store) => store.put(resource),
};

function putCreated({ resource, username }: Write, store: ResourceStore): Promise<void> {
  return store.put({ ...resource, metadata: { ...resource.metadata, created_by: username } });
}

/** The hash is kept in both fields, as older releases look into the other one. */
async function withHash(spec: ApiResource['spec']): Promise<ApiResource['spec']> {
  const password = textAt(spec, 'password');
  const given = textAt(spec, 'password_hash');
  if (password === '' && given === '') throw new ApiFault('invalid', 'a password or its hash is required');
  if (password !== '' && password.length < 8) {
    throw new ApiFault('invalid', 'password must be at least 8 characters long');
  }
  const hash = given === '' ? await bcrypt.hash(password, 4) : given;
  if (password !== '' && !(await bcrypt.compare(password, hash))) {
    const words =
      'hashed password does not the match the cleartext password, only one of those should be provided';
    throw new ApiFault('invalid', words);
  }
  return { ...without(spec, ['password', 'password_hash']), password: hash, password_hash: hash };
}

/** With a namespace come the role and the binding that its pipelines run under. */
async function putNamespace({ resource, username }: Write, store: ResourceStore): Promise<void> {
  const namespace = textAt(resource.spec, 'name');
  const isNew = (await store.get('Namespace', namespace)) === undefined;
  await store.put(resource);
  if (!isNew) return;
  const metadata = { name: 'system:pipeline', namespace, created_by: username };
  const rule = { verbs: ['get', 'list'], resources: ['events'], resource_names: null };
  const common = { apiVersion: 'core/v2', metadata };
  await store.put({ ...common, type: 'Role', spec: { rules: [rule] } });
  const spec = {
    subjects: [{ type: 'Group', name: 'system:pipeline' }],
    role_ref: { type: 'Role', name: 'system:pipeline' },
  };
  await store.put({ ...common, type: 'RoleBinding', spec });
}

const managedBy = 'sensu.io/managed_by';

function isAgents({ metadata }: ApiResource): boolean {
  return textAt(objectAt(metadata, 'labels'), managedBy) === 'sensu-agent';
}

/** Of an entity that is there already, and no proxy, only the configuration is taken. It gets no `created_by`. */
async function putEntity({ resource }: Write, store: ResourceStore): Promise<void> {
  const { metadata, spec } = resource;
  const stored = await store.get('Entity', textAt(metadata, 'name'), textAt(metadata, 'namespace'));
  const isProxy = textAt(spec, 'entity_class') === 'proxy';
  if (isAgents(resource) || (!isProxy && stored !== undefined && isAgents(stored))) {
    throw new ApiFault('exists', 'entity is managed by its agent');
  }
  await store.put(resource, isProxy || stored === undefined ? undefined : 'configuration');
}

/** What 6.12.0 allows without further configuration. */
const longestSilence = 86_400;

/** One that never ends is cut, too, though it still says so of itself. */
function limitSilence(resource: ApiResource, username: string): ApiResource {
  const { spec } = resource;
  const begin = Number(spec['begin'] ?? 0) || Math.floor(Date.now() / 1000);
  const expire = Number(spec['expire'] ?? 0);
  if (expire > longestSilence) {
    throw new ApiFault('internal', 'Threshold reached: silenced crossed maximum duration allowed');
  }
  const expireAt = Number(spec['expire_at'] ?? 0) || begin + (expire > 0 ? expire : longestSilence);
  return { ...resource, spec: { ...spec, begin, expire, expire_at: expireAt, creator: username } };
}
