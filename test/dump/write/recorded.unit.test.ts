import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { jsonDocument } from '../../../src/dump/write/json.js';
import { yamlDocument } from '../../../src/dump/write/yaml.js';
import type { ApiResource } from '../../../src/sensu/resources/api-value.js';
import { asApiShows } from '../../../src/sensu/resources/secrets.js';
import { fixture, storedResources, stores } from '../../sensu/resources/recorded.js';

/** In sensuctl's order, which these tests are not about. */
function inOrderOf(recorded: readonly string[], texts: readonly string[]): string[] {
  const head = (text: string): string => /[\s\S]*?(?="?spec"?:)/.exec(text)![0];
  const byHead = new Map(texts.map((text) => [head(text), text]));
  return recorded.map((text) => byHead.get(head(text)) ?? `nothing for ${head(text)}`);
}

const resourcesOf = (store: string): ApiResource[] =>
  storedResources(store).map(({ resource }) => asApiShows(resource));

describe('a document is written as sensuctl writes it, byte for byte', () => {
  it.each(stores)('in YAML: %s', (store) => {
    const recorded = readFileSync(fixture(`${store}/dump.yml`), 'utf8').split(/(?<=\n)---\n/);
    const written = inOrderOf(recorded, resourcesOf(store).map(yamlDocument));
    // The agent went on living for a few minutes between both recordings.
    const still = (text: string): string =>
      store === 'single-6.7.5' ? text.replace(/last_seen: [1-9]\d+/, '') : text;
    expect(written.map(still)).toEqual(recorded.map(still));
  });

  it('in YAML, events too', () => {
    const events = resourcesOf('kitchen-sink-6.12.0').filter(({ type }) => type === 'Event');
    const recorded = ['default', 'ops'].map((namespace) =>
      readFileSync(fixture(`kitchen-sink-6.12.0/events-${namespace}.yml`), 'utf8'),
    );
    expect(events.map(yamlDocument)).toEqual(recorded);
  });

  it('in JSON', () => {
    const recorded = readFileSync(fixture('kitchen-sink-6.12.0/dump.json'), 'utf8').split(
      /(?<=^\}\n)(?=\{$)/m,
    );
    expect(inOrderOf(recorded, resourcesOf('kitchen-sink-6.12.0').map(jsonDocument))).toEqual(recorded);
  });
});
