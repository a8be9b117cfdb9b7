import type { DumpResource } from '../../dump/read/resource.js';
import type { ApiConnection } from '../../sensu/api/connection.js';
import { getResource, putResource } from '../../sensu/api/resources.js';
import type { ApiRoute } from '../../sensu/api/routes.js';
import { without } from '../../sensu/resources/api-value.js';
import { isEndless } from '../../sensu/resources/silence.js';

/**
 * Sensu 6.12 ends a silence without an end a day after it began. One that began before that is taken, and is gone at
 * once: it is then sent again, to begin now.
 */
export async function putSilence(api: ApiConnection, route: ApiRoute, silence: DumpResource): Promise<void> {
  const { name, namespace, spec } = silence;
  await putResource(api, route, name, silence, namespace);
  if (!isEndless(spec) || (await getResource(api, route, name, namespace)) !== undefined) return;
  await putResource(api, route, name, { ...silence, spec: without(spec, ['begin']) }, namespace);
}
