import {
  listAt,
  objectAt,
  textAt,
  without,
  type ApiObject,
  type ApiResource,
  type DraftObject,
} from './api-value.js';

/** What Sensu puts in the place of a secret. */
export const redacted = 'REDACTED';

/** The names whose values Sensu hides in an entity that lists none itself. */
const defaultRedact: readonly string[] = [
  ...['password', 'passwd', 'pass', 'api_key', 'api_token'],
  ...['access_key', 'secret_key', 'private_key', 'secret'],
];

/**
 * The resource as the API shows it: no password of a user, nor the labels and annotations of an entity that its
 * own list, or Sensu's, names as secret. Events hold an entity too.
 */
export function asApiShows(resource: ApiResource): ApiResource {
  switch (resource.type) {
    case 'User':
      return { ...resource, spec: without(resource.spec, ['password', 'password_hash']) };
    case 'Entity':
    case 'EntityConfig':
      return { ...resource, metadata: redactMetadata(resource.metadata, resource.spec) };
    case 'Event': {
      const entity = objectAt(resource.spec, 'entity');
      const metadata = redactMetadata(objectAt(entity, 'metadata'), entity);
      return metadata === entity['metadata']
        ? resource
        : { ...resource, spec: { ...resource.spec, entity: { ...entity, metadata } } };
    }
    default:
      return resource;
  }
}

/**
 * The resource with its secrets, in the form that `sensuctl create` takes: a user's hash stands where the API reads
 * hashes. A hash given as `password` would itself be hashed.
 */
export function withSecrets(resource: ApiResource): ApiResource {
  if (resource.type !== 'User') return resource;
  const hash = passwordHash(resource);
  const { username, ...rest } = without(resource.spec, ['password', 'password_hash']);
  return {
    ...resource,
    spec: { ...rest, ...(hash !== '' && { password_hash: hash }), username: username ?? '' },
  };
}

/** Of a user with everything that is stored; older releases keep it in the one field, newer ones in both. */
export function passwordHash({ spec }: ApiResource): string {
  return textAt(spec, 'password_hash') || textAt(spec, 'password');
}

/**
 * The paths of what `asApiShows` hides of an entity's metadata, such as `labels.password`.
 * @param isMasked Whether it is hidden already: values that are the mask are then secrets, and else none. sensuctl
 *   sends the mask to be stored where one creates an entity from a file with such labels.
 */
export function redactedPaths(metadata: ApiObject, spec: ApiObject, isMasked: boolean): string[] {
  const names = redactNames(spec);
  return ['labels', 'annotations'].flatMap((group) =>
    Object.entries(objectAt(metadata, group))
      .filter(([name, value]) => names.has(name) && (value === redacted) === isMasked)
      .map(([name]) => `${group}.${name}`),
  );
}

/** The names whose values an entity wants hidden. */
export function redactNames(spec: ApiObject): ReadonlySet<string> {
  const own = listAt(spec, 'redact');
  return new Set(own.length > 0 ? own.filter((name) => typeof name === 'string') : defaultRedact);
}

/** The metadata itself where there is nothing to hide. */
function redactMetadata(metadata: ApiObject, spec: ApiObject): ApiObject {
  if (metadata['labels'] === undefined && metadata['annotations'] === undefined) return metadata;
  const names = redactNames(spec);
  const hide = (group: string): ApiObject | undefined => {
    const map = metadata[group];
    return map === undefined ? undefined : redactMap(objectAt(metadata, group), names);
  };
  const hidden: DraftObject = { ...metadata };
  for (const group of ['labels', 'annotations']) {
    const map = hide(group);
    if (map !== undefined) hidden[group] = map;
  }
  return hidden;
}

function redactMap(map: ApiObject, names: ReadonlySet<string>): ApiObject {
  return Object.fromEntries(
    Object.entries(map).map(([name, value]) => [name, names.has(name) ? redacted : value]),
  );
}
