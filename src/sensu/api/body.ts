import {
  isApiObject,
  objectAt,
  textAt,
  without,
  type ApiObject,
  type ApiResource,
} from '../resources/api-value.js';
import { canonicalResource } from '../resources/canonical.js';
import type { ApiRoute } from './routes.js';

/**
 * The resource out of a body. The open types have their metadata among their fields; commercial ones come in a
 * wrapper, which is the form that sensuctl writes.
 */
export function fromBody(route: ApiRoute, body: ApiObject): ApiResource {
  return canonicalResource(partsOf(route, body));
}

function partsOf({ type, apiVersion }: ApiRoute, body: ApiObject): ApiResource {
  if (isApiObject(body['spec']) && textAt(body, 'api_version') !== '') {
    return { type, apiVersion, metadata: objectAt(body, 'metadata'), spec: body['spec'] };
  }
  const name = nameField(type);
  if (name !== undefined) return { type, apiVersion, metadata: { name: textAt(body, name) }, spec: body };
  return { type, apiVersion, metadata: objectAt(body, 'metadata'), spec: without(body, ['metadata']) };
}

/** The body that a PUT of the resource has. */
export function toBody(route: ApiRoute, { type, apiVersion, metadata, spec }: ApiResource): ApiObject {
  if (route.edition === 'commercial') return { type, api_version: apiVersion, metadata, spec };
  return withoutMetadata.has(type) ? spec : { ...spec, metadata };
}

const withoutMetadata: ReadonlySet<string> = new Set(['User', 'Namespace', 'TessenConfig']);

/** For these sensuctl makes up metadata from their name. */
function nameField(type: string): string | undefined {
  if (type === 'User') return 'username';
  return type === 'Namespace' ? 'name' : undefined;
}
