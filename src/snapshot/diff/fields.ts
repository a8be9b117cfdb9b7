import { isApiList, isApiObject, type ApiValue } from '../../sensu/resources/api-value.js';

/** A field that differs. Undefined where that side has no such field. */
export interface FieldChange {
  /** Such as `spec.interval`. */
  readonly path: string;
  readonly before: ApiValue | undefined;
  readonly after: ApiValue | undefined;
}

/** The fields in which two values differ, as deep as both are objects, or lists of the same length. */
export function changedFields(
  before: ApiValue | undefined,
  after: ApiValue | undefined,
  path: string,
): FieldChange[] {
  if (isApiObject(before) && isApiObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return names.flatMap((name) =>
      changedFields(before[name], after[name], path === '' ? name : `${path}.${name}`),
    );
  }
  if (isApiList(before) && isApiList(after) && before.length === after.length && before.every(isApiObject)) {
    return before.flatMap((item, index) => changedFields(item, after[index], `${path}.${index}`));
  }
  return isEqual(before, after) ? [] : [{ path, before, after }];
}

function isEqual(a: ApiValue | undefined, b: ApiValue | undefined): boolean {
  if (isApiList(a) && isApiList(b))
    return a.length === b.length && a.every((item, index) => isEqual(item, b[index]));
  if (isApiObject(a) && isApiObject(b)) return changedFields(a, b, '').length === 0;
  return Object.is(a, b);
}
