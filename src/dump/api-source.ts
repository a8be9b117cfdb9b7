import { FerryError } from '../core/errors.js';
import type { ApiConnection } from '../sensu/api/connection.js';
import { listResources } from '../sensu/api/resources.js';
import { apiRoutes, routeOf, type ApiRoute } from '../sensu/api/routes.js';
import { textAt, type ApiResource } from '../sensu/resources/api-value.js';
import type { SkipList, SkippedType } from './skipped.js';

export interface ApiSourceOptions {
  /** Default: all of `dumpedRoutes`. */
  readonly routes?: readonly ApiRoute[];
  /** Default: all that the user may know of. What is in no namespace is left out when some are named. */
  readonly namespaces?: readonly string[];
}

/** The halves of an entity are not dumped beside the entity. */
export const dumpedRoutes: readonly ApiRoute[] = apiRoutes.filter(
  ({ type }) => type !== 'EntityConfig' && type !== 'EntityState',
);

const reasons: Readonly<Record<string, SkippedType['reason']>> = {
  API_FORBIDDEN: 'permission',
  API_LICENCE_NEEDED: 'licence',
  API_NOT_FOUND: 'missing',
};

/**
 * Reads resources from Sensu's API, type after type in the order of the routes, each by namespace and name. What the
 * user may not read is passed over and listed: where all namespaces at once are refused, each is asked for.
 */
export class ApiSource implements SkipList {
  readonly #api: ApiConnection;
  readonly #options: ApiSourceOptions;
  readonly #skipped: SkippedType[] = [];
  #namespaces: readonly string[] | undefined;

  constructor(api: ApiConnection, options: ApiSourceOptions = {}) {
    this.#api = api;
    this.#options = options;
  }

  get skipped(): readonly SkippedType[] {
    return this.#skipped;
  }

  /** @throws FerryError for any fault but a refusal of a type */
  async *resources(): AsyncGenerator<ApiResource> {
    const { routes = dumpedRoutes, namespaces } = this.#options;
    for (const route of routes) {
      if (namespaces !== undefined) {
        if (route.scope === 'namespaced') yield* this.#byNamespace(route, namespaces);
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
