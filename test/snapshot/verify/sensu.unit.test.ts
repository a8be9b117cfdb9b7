import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openSnapshot } from '../../../src/etcd-files/mvcc/store-file.js';
import { ProtoWriter } from '../../../src/protobuf/proto-writer.js';
import { writeStore } from '../../support/store-writer.js';
import { found, layerOf, testPath, verifyBytes } from './damaged.js';
import { recordedPath, withTrailer } from './recorded.js';

/** The values of a recorded store by their keys. */
function recorded(): Map<string, Buffer> {
  const file = openSnapshot(recordedPath('kitchen-sink-6.12.0'));
  const values = [...file.entries()]
    .flat()
    .map(({ key, value }): [string, Buffer] => [key.toString('latin1'), value]);
  file.close();
  return new Map(values);
}

type Change = (values: Map<string, Buffer>) => void;

function storeOf(change: Change): Buffer {
  const values = recorded();
  change(values);
  const path = testPath('made.db');
  const records = [...values].map(([key, value], i) => {
    const main = BigInt(i) + 2n;
    return {
      main,
      sub: 0n,
      key: Buffer.from(key, 'latin1'),
      put: { value, createRevision: main, version: 1n, lease: 0n },
    };
  });
  writeStore(path, { records });
  return withTrailer(readFileSync(path));
}

const set =
  (key: string, change: (value: Buffer) => Buffer): Change =>
  (values) => {
    const value = values.get(key);
    if (value === undefined) throw new Error(`The recorded store has no ${key}.`);
    values.set(key, change(value));
  };

const text = (words: string) => (): Buffer => Buffer.from(words);

const keys = [...recorded().keys()];
const firstOf = (prefix: string): string => keys.find((key) => key.startsWith(prefix))!;
const check = firstOf('/sensu.io/checks/default/');
const handler = firstOf('/sensu.io/handlers/default/');
const entity = firstOf('/sensu.io/entity_configs/default/');
const user = firstOf('/sensu.io/users/');
const event = firstOf('/sensu.io/events/default/');
const apiKey = firstOf('/sensu.io/apikeys/');

describe('the values of Sensu', () => {
  it('as they were recorded are sound, whatever revisions they have', async () => {
    const verification = await verifyBytes(storeOf(() => undefined));
    expect(verification.findings).toEqual([]);
    expect(layerOf(verification, 'sensu')).toMatchObject({
      status: 'ok',
      counts: { values: 63, namespaces: 3 },
    });
  });

  it.each<readonly [what: string, key: string, finding: RegExp, change: Change]>([
    [
      'a value that is cut short',
      check,
      /a field that runs past its end/,
      set(check, (value) => value.subarray(0, -3)),
    ],
    [
      'a field of the wrong type',
      check,
      /a field of the wrong type/,
      set(check, (value) => Buffer.concat([value, new ProtoWriter().number(1, 5).finish()])),
    ],
    ['a value that is no message', handler, /the value /, set(handler, text('no message'))],
    ['broken JSON', handler, /is broken JSON/, set(handler, text('{"metadata":'))],
    [
      'the value of another resource',
      check,
      /is that of another resource than its key names/,
      (values) => {
        values.set(check, values.get(otherCheck())!);
      },
    ],
    [
      'a user under another name',
      user,
      /is that of another resource/,
      set(user, text('{"username":"somebody"}')),
    ],
    ['compressed data that is damaged', entity, /: the value /, set(entity, (value) => crushed(value))],
    [
      'a wrapper of no known form',
      entity,
      /in a form that is not known/,
      set(entity, () => new ProtoWriter().number(2, 7).finish()),
    ],
    [
      'an event that is cut short',
      event,
      /a field that runs past its end/,
      set(event, (value) => value.subarray(0, -1)),
    ],
    [
      'a cluster id of other bytes',
      '/sensu.io/cluster_id',
      /is not the text/,
      set('/sensu.io/cluster_id', text('\0\x01')),
    ],
  ])('%s is found', async (_what, key, finding, change) => {
    const findings = found(await verifyBytes(storeOf(change)), 'sensu');
    expect(findings).toHaveLength(1);
    expect(findings[0]).toContain(key);
    expect(findings[0]).toMatch(finding);
  });

  it('are searched for namespaces that are not there', async () => {
    const findings = found(
      await verifyBytes(storeOf((values) => values.delete('/sensu.io/namespaces/ops'))),
      'sensu',
    );
    expect(findings.length).toBeGreaterThan(1);
    expect(findings.every((words) => /\/ops\b.*: is in a namespace that does not exist$/.test(words))).toBe(
      true,
    );
  });

  it('may lie in a namespace that was deleted, as far as Sensu leaves them behind', async () => {
    const leftBehind = storeOf((values) => {
      for (const key of [...values.keys()]) {
        const isLeft = /\/(pipelines|roles|rolebindings|events|entity_states|keepalives)\//.test(key);
        if (key.includes('/ops') && !isLeft) values.delete(key);
      }
    });
    const layer = (await verifyBytes(leftBehind)).layers.find(({ layer: name }) => name === 'sensu')!;
    expect(layer.status).toBe('ok');
    expect(layer.notes.join('\n')).toMatch(/\d+ keys left behind by the deleted namespace ops/);
  });

  it.each<readonly [what: string, finding: RegExp, change: Change]>([
    [
      'is of a version to come',
      /is version 9 of the database, which is not known/,
      set(version(), text('9')),
    ],
    ['is of no version', /has no version of the database/, (values) => void values.delete(version())],
    [
      'holds nothing of Sensu',
      /holds no key of Sensu/,
      (values) => {
        values.clear();
        values.set('other', Buffer.of(1));
      },
    ],
  ])('are of a store that %s', async (_what, finding, change) => {
    expect(found(await verifyBytes(storeOf(change)), 'sensu').join('\n')).toMatch(finding);
  });

  it('may be ones that are not known, and empty', async () => {
    const verification = await verifyBytes(
      storeOf((values) => {
        values.set('/sensu.io/of-tomorrow/default/x', Buffer.of(0xff));
        values.set('elsewhere', Buffer.of(0xff));
        values.set('/sensu.io/tessen', Buffer.alloc(0));
        // A message of a newer Sensu has fields that are not known.
        values.set(
          check,
          Buffer.concat([values.get(check)!, new ProtoWriter().bytes(99, Buffer.from('new')).finish()]),
        );
      }),
    );
    expect(verification.ok).toBe(true);
    expect(layerOf(verification, 'sensu').notes).toEqual([
      '1 key of no known kind: /sensu.io/of-tomorrow/',
      '1 key of no known kind: (outside /sensu.io/)',
    ]);
  });

  /** The trap: the name of an API key is the key. */
  it('are named without their secrets', async () => {
    const verification = await verifyBytes(storeOf(set(apiKey, () => Buffer.of(0x0f))));
    const secret = apiKey.slice('/sensu.io/apikeys/'.length);
    expect(found(verification, 'sensu')[0]).toMatch(/^\/sensu\.io\/apikeys\/\(hidden, sha256 /);
    expect(
      JSON.stringify(verification, (_key, part: unknown) => (typeof part === 'bigint' ? '' : part)),
    ).not.toContain(secret);
  });
});

function version(): string {
  return '/sensu.io/sensu_database_version';
}

function otherCheck(): string {
  return keys.find((key) => key.startsWith('/sensu.io/checks/') && key !== check)!;
}

/** The wrapper with the last bytes of what is compressed in it gone over. */
function crushed(value: Buffer): Buffer {
  const copy = Buffer.from(value);
  copy.fill(0xfe, copy.length - 12);
  return copy;
}
