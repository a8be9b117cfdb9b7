import {
  integerAt,
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
import { fieldsSetBySensu } from './set-by-sensu.js';

/**
 * The fields that a PUT of the dump's resource would change, as they may be shown. Fields that are empty on one
 * side and left out on the other are the same to Sensu. What Sensu sets itself is left out: who made a resource, to
 * which the API sets `created_by`, and `fieldsSetBySensu`.
 */
export function changesTo(current: ApiResource, wanted: ApiResource): FieldChange[] {
  const names = redactNames(wanted.spec);
  const ignored = fieldsSetBySensu(current, wanted);
  const changes = changedFields(comparable(current, ignored), comparable(wanted, ignored), '');
  const shown = changes.map(({ path, before, after }) => ({
    path,
    before: before === undefined ? undefined : maskValue(path, before, names),
    after: after === undefined ? undefined : maskValue(path, after, names),
  }));
  return [...shown, ...hashChanges(current, wanted)];
}

/** The API never shows a hash: whether it is another one can be told only of a user that was read from etcd. */
function hashChanges(current: ApiResource, wanted: ApiResource): FieldChange[] {
  if (wanted.type !== 'User') return [];
  const [before, after] = [passwordHash(current), passwordHash(wanted)];
  if (after === '' || before === after) return [];
  const shown = before === '' ? '(not shown)' : '(another)';
  return [{ path: 'spec.password_hash', before: shown, after: '(from the dump)' }];
}

function comparable({ type, metadata, spec }: ApiResource, ignored: readonly string[]): ApiObject {
  // Sensu writes -1 or 0 into a silence without an end.
  const isWithoutLength = type === 'Silenced' && integerAt(spec, 'expire') <= 0n;
  const own = without(spec, isWithoutLength ? [...ignored, 'expire'] : ignored);
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
