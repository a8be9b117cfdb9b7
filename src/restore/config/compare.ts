import {
  isApiObject,
  objectAt,
  textAt,
  without,
  type ApiObject,
  type ApiResource,
  type ApiValue,
} from '../../sensu/resources/api-value.js';
import { maskValue } from '../../sensu/resources/mask.js';
import { passwordHash, redactNames } from '../../sensu/resources/secrets.js';
import { changedFields, type FieldChange } from '../../snapshot/diff/fields.js';

/**
 * The fields that a PUT of the dump's resource would change, as they may be shown. Fields that are empty on one
 * side and left out on the other are the same to Sensu. Who made a resource is no matter of its configuration: the
 * API sets `created_by` to whoever asks.
 */
export function changesTo(current: ApiResource, wanted: ApiResource): FieldChange[] {
  const names = redactNames(wanted.spec);
  const changes = changedFields(comparable(current), comparable(wanted), '');
  const shown = changes.map(({ path, before, after }) => ({
    path,
    before: before === undefined ? undefined : maskValue(path, before, names),
    after: after === undefined ? undefined : maskValue(path, after, names),
  }));
  return hasHash(wanted) ? [...shown, hashChange] : shown;
}

/** The API never shows a hash, so that whether it is another one cannot be known. */
const hashChange: FieldChange = {
  path: 'spec.password_hash',
  before: '(not shown)',
  after: '(from the dump)',
};

function hasHash(resource: ApiResource): boolean {
  return resource.type === 'User' && passwordHash(resource) !== '';
}

function comparable({ type, metadata, spec }: ApiResource): ApiObject {
  const own = type === 'User' ? without(spec, ['password', 'password_hash']) : spec;
  return tidy({ metadata: without(metadata, ['created_by']), spec: own }) as ApiObject;
}

/** Without what is empty in an object, and numbers of one kind. */
function tidy(value: ApiValue): ApiValue {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  if (Array.isArray(value)) return (value as readonly ApiValue[]).map(tidy);
  if (!isApiObject(value)) return value;
  const entries = Object.entries(value).map(([name, inner]) => [name, tidy(inner)] as const);
  return Object.fromEntries(entries.filter(([, inner]) => !isEmpty(inner)));
}

function isEmpty(value: ApiValue): boolean {
  if (value === null || value === '' || value === 0n || value === false) return true;
  if (Array.isArray(value)) return value.length === 0;
  return isApiObject(value) && Object.keys(value).length === 0;
}

const managedBy = 'sensu.io/managed_by';

/** Sensu refuses changes to an entity that its agent manages. */
export function isAgentManaged({ metadata }: ApiResource): boolean {
  return textAt(objectAt(metadata, 'labels'), managedBy) === 'sensu-agent';
}
