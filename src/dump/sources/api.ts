import { FerryError } from '../../core/errors.js';
import type { ApiConnection } from '../../sensu/api/connection.js';
import { noApiAt } from '../../sensu/api/faults.js';
import { listResources } from '../../sensu/api/resources.js';
import { apiRoutes, routeOf, type ApiRoute } from '../../sensu/api/routes.js';
import { textAt, type ApiResource } from '../../sensu/resources/api-value.js';
import { fullName, isWanted, namespaceUnknown, type Selection } from '../selection.js';
import type { SkipList, SkippedType } from '../skipped.js';

/** The halves of an entity are not dumped beside the entity. */
const dumpedRoutes: readonly ApiRoute[] = apiRoutes.filter(
  ({ type }) => type !== 'EntityConfig' && type !== 'EntityState',
);

const reasons: Readonly<Record<string, SkippedType['reason']>> = {
  API_FORBIDDEN: 'permission',
  API_LICENCE_NEEDED: 'licence',
  API_NOT_FOUND: 'missing',
};

/** In the order in which they are named; what is not named comes after it, in the order of the routes. */
function routesOf(selection: Selection): ApiRoute[] {
  const { kinds, commercial } = selection;
  const names = [...kinds.map(fullName), ...(commercial === 'all' ? [] : commercial)];
  const placeOf = (route: ApiRoute): number => {
    const place = names.indexOf(fullName(route));
    return place === -1 ? names.length : place;
  };
  return dumpedRoutes
    .filter((route) => isWanted(selection, route))
    .sort((one, other) => placeOf(one) - placeOf(other));
}

/**
 * Reads resources from Sensu's API, type after type as they are selected, each by namespace and name. Only what
 * is selected is asked for. What the user may not read is passed over and listed: where all namespaces at once are
 * refused, each is asked for.
 */
export class ApiSource implements SkipList {
  readonly #api: ApiConnection;
  readonly #selection: Selection;
  readonly #skipped: SkippedType[] = [];
  #namespaces: readonly string[] | undefined;

  constructor(api: ApiConnection, selection: Selection) {
    this.#api = api;
    this.#selection = selection;
  }

  get skipped(): readonly SkippedType[] {
    return [...this.#skipped, ...typesWithoutRoute(this.#selection)];
  }

  /** @throws FerryError NAMESPACE_UNKNOWN (`usage`), and for any fault but a refusal of a type */
  async *resources(): AsyncGenerator<ApiResource> {
    const { namespace } = this.#selection;
    if (namespace !== undefined && !(await this.#knownNamespaces()).includes(namespace)) {
      throw namespaceUnknown(namespace);
    }
    for (const route of routesOf(this.#selection)) {
      if (namespace !== undefined && route.scope === 'namespaced') {
        yield* this.#byNamespace(route, [namespace]);
        continue;
      }
      const refusal = yield* this.#attempt(route);
      if (refusal === undefined) continue;
      if (refusal === 'permission' && route.scope === 'namespaced') {
        // There may be namespaces that the user does not even know of.
        yield* this.#byNamespace(route, await this.#knownNamespaces(), refusal);
      } else this.#skip(route, refusal);
    }
  }

  async *#byNamespace(
    route: ApiRoute,
    namespaces: readonly string[],
    refusal?: SkippedType['reason'],
  ): AsyncGenerator<ApiResource> {
    const readIn: string[] = [];
    let reason = refusal;
    for (const namespace of namespaces) {
      const refused = yield* this.#attempt(route, namespace);
      if (refused === undefined) readIn.push(namespace);
      reason ??= refused;
    }
    if (reason !== undefined) this.#skip(route, reason, readIn);
  }

  /** Returns why nothing was given. A list that was begun is not given up in silence. */
  async *#attempt(
    route: ApiRoute,
    namespace?: string,
  ): AsyncGenerator<ApiResource, SkippedType['reason'] | undefined> {
    let count = 0;
    try {
      for await (const resource of listResources(this.#api, route, namespace)) {
        count += 1;
        yield resource;
      }
      return undefined;
    } catch (error) {
      const reason = error instanceof FerryError ? reasons[error.code] : undefined;
      if (reason === undefined || count > 0) throw error;
      if (reason === 'missing' && isEverywhere(route)) throw noApiAt(this.#api.shownUrl);
      return reason;
    }
  }

  /** A type that this release of Sensu, or a build of the open source, does not have takes nothing away. */
  #skip(
    { type, apiVersion, edition }: ApiRoute,
    reason: SkippedType['reason'],
    readIn: readonly string[] = [],
  ): void {
    const hasNone = edition === 'commercial' || apiVersion === 'core/v3';
    if (reason === 'missing' && hasNone) return;
    this.#skipped.push({ type, apiVersion, reason, ...(readIn.length > 0 && { readIn }) });
  }

  async #knownNamespaces(): Promise<readonly string[]> {
    if (this.#namespaces === undefined) {
      const names: string[] = [];
      for await (const { spec } of listResources(this.#api, routeOf('Namespace', 'core/v2')!)) {
        names.push(textAt(spec, 'name'));
      }
      this.#namespaces = names;
    }
    return this.#namespaces;
  }
}

/** Pipelines came with 6.5; all other open types each release of Sensu 6 has. */
function isEverywhere({ type, apiVersion }: ApiRoute): boolean {
  return apiVersion === 'core/v2' && type !== 'Pipeline';
}

function typesWithoutRoute({ commercial }: Selection): SkippedType[] {
  const named = commercial === 'all' ? [] : commercial.map(splitName);
  return named
    .filter(({ type, apiVersion }) => routeOf(type, apiVersion) === undefined)
    .map((name) => ({ ...name, reason: 'unknown' }));
}

/** Of `secrets/v1.Provider`. */
function splitName(fullName: string): Pick<SkippedType, 'type' | 'apiVersion'> {
  const dot = fullName.indexOf('.');
  return { apiVersion: fullName.slice(0, dot), type: fullName.slice(dot + 1) };
}
