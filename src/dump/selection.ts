import { FerryError } from '../core/errors.js';
import { resourceKinds, type ResourceKind } from '../sensu/resources/kinds.js';

/** Which resources a dump is to hold. */
export interface Selection {
  /** In the order in which they are named; in sensuctl's order where all are wanted. */
  readonly kinds: readonly ResourceKind[];
  /** Full names of the commercial types that are asked for, such as `secrets/v1.Provider`; or all that there are. */
  readonly commercial: 'all' | readonly string[];
  /** Whether a type that sensuctl has no short name for is to be in it. */
  readonly hasEnterprise: (fullName: string) => boolean;
  /** Of what lies in a namespace, only what lies in this one. */
  readonly namespace: string | undefined;
}

export interface SelectionFlags {
  /** Such as `checks,core/v2.Handler`, or `all`. Default `all`. */
  readonly types?: string;
  readonly omit?: string;
  readonly namespace?: string;
}

/** @throws FerryError TYPE_UNKNOWN (`usage`), naming the types that there are, and NOTHING_SELECTED (`usage`) */
export function parseSelection({ types = 'all', omit = '', namespace }: SelectionFlags): Selection {
  const wanted = parseTypes(types);
  const omitted = parseTypes(omit);
  const has = (name: string): boolean => (wanted.has('all') || wanted.has(name)) && !omitted.has(name);
  const everyCommercial = wanted.has('all') && !omitted.has('all');
  const named = wanted.has('all') ? resourceKinds : [...wanted].flatMap(kindNamed);
  const kinds = omitted.has('all') ? [] : named.filter((kind) => has(fullName(kind)));
  const commercial = everyCommercial
    ? 'all'
    : [...wanted].filter((name) => name !== 'all' && !isCore(name) && has(name));
  if (kinds.length + commercial.length === 0) throw nothingSelected(types, omit);
  return { kinds, commercial, hasEnterprise: has, namespace };
}

/** As sensuctl writes it, such as `core/v2.CheckConfig`. */
export function fullName({ type, apiVersion }: Pick<ResourceKind, 'type' | 'apiVersion'>): string {
  return `${apiVersion}.${type}`;
}

/** Whether a type, as a resource or a route names it, is to be in the dump. */
export function isWanted(selection: Selection, named: Pick<ResourceKind, 'type' | 'apiVersion'>): boolean {
  const name = fullName(named);
  const isKind = selection.kinds.some((kind) => fullName(kind) === name);
  return isKind || (!name.startsWith('core/v2.') && selection.hasEnterprise(name));
}

/** A dump that has nothing in it because of a slip of the pen must not pass for one. */
export function namespaceUnknown(name: string): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'NAMESPACE_UNKNOWN',
    message: `There is no namespace ${JSON.stringify(name)}, or none that this user may know of.`,
    hint: 'Check its name in what --types namespaces dumps.',
  });
}

function nothingSelected(types: string, omit: string): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'NOTHING_SELECTED',
    message:
      omit === ''
        ? `--types ${JSON.stringify(types)} names no type to dump.`
        : `--omit ${omit} leaves nothing of --types ${types} to dump.`,
    hint: 'Leave out --omit, or name more with --types.',
  });
}

function isCore(name: string): boolean {
  return name.startsWith('core/');
}

/** Commercial types are known by their full names alone: which there are, only their own Sensu knows. */
const enterpriseName = /^[a-z][\w-]*\/v\d\w*\.[A-Z]\w*$/;

function parseTypes(list: string): ReadonlySet<string> {
  const names = list.split(',').map((name) => name.trim());
  return new Set(names.filter((name) => name !== '').map(parseType));
}

function kindNamed(name: string): readonly ResourceKind[] {
  return resourceKinds.filter((kind) => fullName(kind) === name);
}

function parseType(name: string): string {
  if (name === 'all') return name;
  const kind = resourceKinds.find(
    (candidate) =>
      fullName(candidate).toLowerCase() === name.toLowerCase() ||
      [candidate.shortName, candidate.type.toLowerCase()].includes(name.toLowerCase()),
  );
  if (kind !== undefined) return fullName(kind);
  if (enterpriseName.test(name) && !isCore(name)) return name;
  throw new FerryError({
    kind: 'usage',
    code: 'TYPE_UNKNOWN',
    message: `There is no type ${JSON.stringify(name)}.`,
    hint: `Use ${resourceKinds.map(({ shortName }) => shortName).join(', ')}, the full name of a commercial type such as secrets/v1.Provider, or all.`,
  });
}
