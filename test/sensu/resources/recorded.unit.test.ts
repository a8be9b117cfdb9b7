import { describe, expect, it } from 'vitest';
import { asApiShows } from '../../../src/sensu/resources/secrets.js';
import {
  changesBetween,
  documentOf,
  recordedJson,
  recordedYaml,
  storedResources,
  stores,
  type Change,
  type Document,
} from './recorded.js';

function shown(store: string): Document[] {
  return storedResources(store).map(({ resource }) => documentOf(asApiShows(resource)));
}

const isEvent = ({ type }: Document): boolean => type === 'Event';

describe('the resources of a store that stood still', () => {
  const decoded = shown('kitchen-sink-6.12.0');

  it('are those that sensuctl wrote as YAML, in every field', () => {
    const recorded = recordedYaml('kitchen-sink-6.12.0/dump.yml');
    expect(
      changesBetween(
        decoded.filter((one) => !isEvent(one)),
        recorded,
      ),
    ).toEqual([]);
    expect(recorded).toHaveLength(47);
  });

  it('are those that sensuctl wrote as JSON, in every field', () => {
    const recorded = recordedJson('kitchen-sink-6.12.0/dump.json');
    expect(
      changesBetween(
        decoded.filter((one) => !isEvent(one)),
        recorded,
      ),
    ).toEqual([]);
    expect(recorded).toHaveLength(47);
  });

  it('have the events in them, which sensuctl writes of one namespace alone', () => {
    const recorded = ['default', 'ops'].flatMap((namespace) =>
      recordedYaml(`kitchen-sink-6.12.0/events-${namespace}.yml`),
    );
    expect(changesBetween(decoded.filter(isEvent), recorded)).toEqual([]);
    expect(recorded).toHaveLength(2);
  });
});

/** What moved between the recording of the dump and that of the store. */
const moved: Readonly<Record<(typeof stores)[number], readonly Change[]>> = {
  'kitchen-sink-6.12.0': [],
  // The agent went on living for a few minutes.
  'single-6.7.5': [{ of: 'Entity default agent-1', path: 'spec.last_seen' }],
  'cluster3-6.12.0': [],
};

describe.each(stores)('the resources of %s', (store) => {
  it('are those that sensuctl wrote, but for what moved in between', () => {
    const recorded = recordedYaml(`${store}/dump.yml`);
    const decoded = shown(store).filter((one) => !isEvent(one));
    expect(changesBetween(decoded, recorded)).toEqual(moved[store]);
    expect(decoded).toHaveLength(recorded.length);
  });

  it('have no field that is not known, or that the API hides', () => {
    const decoded = storedResources(store);
    expect(decoded.flatMap(({ unknown, hidden }) => [...unknown, ...hidden])).toEqual([]);
  });
});
