import { FerryError } from '../../core/errors.js';
import { resourceKinds, type ResourceKind } from '../resources/kinds.js';

/** A type of resource, and where the API has it. */
export interface ApiRoute {
  /** Such as `core/v2`. */
  readonly apiVersion: string;
  /** Such as `CheckConfig`. */
  readonly type: string;
  /** The last part of the path to all of them, such as `checks`. */
  readonly plural: string;
  /** `single`: there is one, which has no name. */
  readonly scope: 'cluster' | 'namespaced' | 'single';
  /** Commercial types are in the packages that Sensu Inc. builds, not in a build of the open source. */
  readonly edition: 'open' | 'commercial';
}

type Named = readonly [type: string, plural: string];

function routes(
  apiVersion: string,
  scope: ApiRoute['scope'],
  named: readonly Named[],
  edition: ApiRoute['edition'] = 'open',
): ApiRoute[] {
  return named.map(([type, plural]) => ({ apiVersion, type, plural, scope, edition }));
}

/** Where sensuctl has a short name for a type, it is what the API has in the path. */
function openRoute({ apiVersion, type, shortName, namespaced }: ResourceKind): ApiRoute {
  const scope = namespaced ? 'namespaced' : type === 'TessenConfig' ? 'single' : 'cluster';
  return { apiVersion, type, plural: shortName, scope, edition: 'open' };
}

/** In the order in which sensuctl dumps the open types; what is in a namespace comes after the namespaces. */
export const apiRoutes: readonly ApiRoute[] = [
  ...resourceKinds.map(openRoute),
  // The halves of entities, and what namespaces are made from: 6.x keeps them, and newer releases serve them.
  ...routes('core/v3', 'namespaced', [
    ['EntityConfig', 'entity-configs'],
    ['EntityState', 'entity-states'],
  ]),
  ...routes('core/v3', 'cluster', [['ResourceTemplate', 'resource-templates']]),
  ...routes('authentication/v2', 'cluster', [['Provider', 'authproviders']], 'commercial'),
  ...routes('licensing/v2', 'single', [['LicenseFile', 'license']], 'commercial'),
  ...routes('store/v1', 'cluster', [['PostgresConfig', 'provider']], 'commercial'),
  ...routes(
    'federation/v1',
    'cluster',
    [
      ['Cluster', 'clusters'],
      ['EtcdReplicator', 'etcd-replicators'],
    ],
    'commercial',
  ),
  ...routes('secrets/v1', 'cluster', [['Provider', 'providers']], 'commercial'),
  ...routes('secrets/v1', 'namespaced', [['Secret', 'secrets']], 'commercial'),
  ...routes('searches/v1', 'namespaced', [['Search', 'searches']], 'commercial'),
  ...routes('web/v1', 'cluster', [['GlobalConfig', 'config']], 'commercial'),
  ...routes(
    'bsm/v1',
    'namespaced',
    [
      ['RuleTemplate', 'rule-templates'],
      ['ServiceComponent', 'service-components'],
    ],
    'commercial',
  ),
  ...routes(
    'pipeline/v1',
    'namespaced',
    [
      ['SumoLogicMetricsHandler', 'sumo-logic-metrics-handlers'],
      ['TCPStreamHandler', 'tcp-stream-handlers'],
    ],
    'commercial',
  ),
];

/** Undefined for a type that nothing is known of. */
export function routeOf(type: string, apiVersion: string): ApiRoute | undefined {
  return apiRoutes.find((route) => route.type === type && route.apiVersion === apiVersion);
}

/** The path to all resources of a type; without a namespace, in all namespaces. */
export function listPath({ apiVersion, plural, scope, edition }: ApiRoute, namespace?: string): string {
  const root = edition === 'open' ? '/api' : '/api/enterprise';
  const within = scope === 'namespaced' && namespace !== undefined ? `/namespaces/${segment(namespace)}` : '';
  return `${root}/${apiVersion}${within}/${plural}`;
}

/** An event is named by its entity and its check: `server/check-cpu`. */
export function resourcePath(route: ApiRoute, name: string, namespace?: string): string {
  const path = listPath(route, namespace);
  if (route.scope === 'single') return path;
  const parts = route.type === 'Event' ? splitOnce(name) : [name];
  return [path, ...parts.map(segment)].join('/');
}

/** Names of entities and checks hold no slash. */
function splitOnce(name: string): string[] {
  const slash = name.indexOf('/');
  return slash === -1 ? [name] : [name.slice(0, slash), name.slice(slash + 1)];
}

/** A name of dots would lead to another path: a URL has its dots taken out before it is sent. */
function segment(name: string): string {
  if (/^\.{0,2}$/.test(name)) {
    throw new FerryError({
      kind: 'refused',
      code: 'API_NAME_UNUSABLE',
      message: `The API has no path for the name ${JSON.stringify(name)}.`,
      hint: 'Give the resource another name.',
    });
  }
  return encodeURIComponent(name);
}
