import { silentContext } from '../support/silent-context.js';
import { nameOf } from '../../src/dump/loss-report.js';
import { readDump } from '../../src/dump/read/read-dump.js';
import type { ApiResource } from '../../src/sensu/resources/api-value.js';
import { fileURLToPath } from 'node:url';

/** What the real sensuctl wrote for the store of kitchen-sink-6.12.0, with the events that it leaves out. */
export async function recordedResources(): Promise<ComparedResource[]> {
  const files = ['dump.yml', 'events-default.yml', 'events-ops.yml'];
  const all: ComparedResource[] = [];
  for (const file of files) {
    const path = fileURLToPath(new URL(`../../fixtures/kitchen-sink-6.12.0/${file}`, import.meta.url));
    for await (const resource of readDump(path, silentContext())) all.push(compared(resource));
  }
  return all;
}

export interface ComparedResource {
  readonly type: string;
  readonly metadata: unknown;
  readonly spec: unknown;
}

/** Whole numbers of any kind are the same, and the order of fields tells nothing. */
export function compared({
  type,
  metadata,
  spec,
}: Pick<ApiResource, 'type' | 'metadata' | 'spec'>): ComparedResource {
  const plain = (value: unknown): unknown =>
    JSON.parse(
      JSON.stringify(value, (_name, each: unknown) => (typeof each === 'bigint' ? Number(each) : each)),
    );
  return { type, metadata: plain(metadata), spec: plain(spec) };
}

/** In one order, whatever the source's. */
export function sorted(resources: readonly ComparedResource[]): ComparedResource[] {
  const nameOfOne = ({ type, metadata, spec }: ComparedResource): string =>
    JSON.stringify(Object.values(nameOf({ type, metadata, spec } as ApiResource)));
  return [...resources].sort((a, b) => (nameOfOne(a) < nameOfOne(b) ? -1 : 1));
}
