import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FerryError } from '../../../src/core/errors.js';
import { readDump, type DumpAccess } from '../../../src/dump/read/read-dump.js';
import { showResource, type DumpResource } from '../../../src/dump/read/resource.js';
import { startEncryption } from '../../../src/age/encryption.js';
import { failureOf } from '../../support/ferry-error.js';
import { silentContext } from '../../support/silent-context.js';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ferry-read-dump-'));
});

afterAll(() => rm(folder, { recursive: true }));

async function read(
  path: string,
  access: DumpAccess = {},
  context = silentContext(),
): Promise<DumpResource[]> {
  const resources: DumpResource[] = [];
  for await (const resource of readDump(path, context, access)) resources.push(resource);
  return resources;
}

async function fileWith(content: string | Buffer, name = 'dump.yml'): Promise<string> {
  const path = join(await mkdtemp(join(folder, 'dump-')), name);
  await writeFile(path, content);
  return path;
}

async function failure(content: string | Buffer, name?: string): Promise<FerryError> {
  const path = await fileWith(content, name);
  try {
    await read(path);
  } catch (error) {
    if (!(error instanceof FerryError)) throw error;
    expect(error.hint).not.toBe('');
    return error;
  }
  throw new Error('It was read.');
}

const withoutPlace = (resource: DumpResource): object => ({ ...resource, place: undefined });
const check = 'type: CheckConfig\nmetadata: {name: disk, namespace: default}\nspec: {interval: 10}\n';

describe('The recorded dumps', () => {
  test('are the same resources in YAML and in wrapped JSON', async () => {
    const yaml = await read('fixtures/kitchen-sink-6.12.0/dump.yml');
    const json = await read('fixtures/kitchen-sink-6.12.0/dump.json');
    expect(yaml).toHaveLength(47);
    expect(yaml.map(withoutPlace)).toEqual(json.map(withoutPlace));
    expect(yaml.every(({ isKnown }) => isKnown)).toBe(true);
  });

  test.each(['cluster3-6.12.0/dump.yml', 'single-6.7.5/dump.yml', 'kitchen-sink-6.12.0/created-from.yml'])(
    '%s is read, each resource at its line',
    async (name) => {
      const lines = (await readFile(`fixtures/${name}`, 'utf8')).split('\n');
      for (const { type, place } of await read(`fixtures/${name}`)) {
        expect(lines[place.line - 1]).toBe(`type: ${type}`);
      }
    },
  );

  test('are the same as a list and one a line', async () => {
    const plain = await read('fixtures/kitchen-sink-6.12.0/dump.json');
    const wrapped = plain.map(({ type, apiVersion, metadata, spec }) => ({
      type,
      api_version: apiVersion,
      metadata,
      spec,
    }));
    const lines = await fileWith(wrapped.map((one) => JSON.stringify(one)).join('\n'), 'dump.ndjson');
    const list = await fileWith(JSON.stringify(wrapped, null, 2), 'dump.json');
    const yamlList = await fileWith(wrapped.map((one) => `- ${JSON.stringify(one)}\n`).join(''));
    for (const path of [lines, list, yamlList]) {
      expect((await read(path)).map(withoutPlace)).toEqual(plain.map(withoutPlace));
    }
  });
});

describe('A dump is found', () => {
  test('in a folder with files in folders, by name, without what is none of it', async () => {
    const path = await mkdtemp(join(folder, 'split-'));
    await mkdir(join(path, 'default'));
    await mkdir(join(path, '.git'));
    await writeFile(join(path, 'default', 'checks.yml'), check);
    await writeFile(join(path, '.git', 'x.yml'), 'not: ours\n');
    await writeFile(join(path, 'README.md'), 'words');
    await writeFile(join(path, 'namespaces.json'), '{"type": "Namespace", "spec": {"name": "default"}}');
    expect((await read(path)).map((resource) => showResource(resource))).toEqual([
      'CheckConfig default/disk',
      'Namespace default',
    ]);
  });

  test('encrypted, with the key that fits', async () => {
    const pieces: Buffer[] = [];
    const cipher = await startEncryption({ passphrase: 'correct' }, (piece) => {
      pieces.push(Buffer.from(piece));
      return Promise.resolve();
    });
    await cipher.write(Buffer.from(check));
    await cipher.end();
    const stored = Buffer.concat(pieces);
    const path = await fileWith(stored, 'dump.yml.age');
    const keys = (passphrase: string): DumpAccess => ({
      keys: { identities: [], passphrases: [passphrase] },
    });
    expect(await read(path, keys('correct'))).toHaveLength(1);
    await expect(read(path, keys('wrong'))).rejects.toMatchObject({
      kind: 'denied',
      code: 'KEY_DOES_NOT_FIT',
    });
    await expect(read(path)).rejects.toMatchObject({ kind: 'denied', code: 'DUMP_ENCRYPTED' });
    stored[stored.length - 5]! ^= 1;
    await writeFile(path, stored);
    await expect(read(path, keys('correct'))).rejects.toMatchObject({ code: 'DUMP_DAMAGED' });
  });

  test('or not: nothing there, nothing in it, not text', async () => {
    await expect(read(join(folder, 'nowhere'))).rejects.toMatchObject({
      kind: 'source',
      code: 'DUMP_NOT_FOUND',
    });
    await expect(read(await mkdtemp(join(folder, 'empty-')))).rejects.toMatchObject({ code: 'DUMP_EMPTY' });
    expect((await failure('')).code).toBe('DUMP_EMPTY');
    expect((await failure('---\n# nothing\n---\n')).code).toBe('DUMP_EMPTY');
    expect((await failure(await readFile('fixtures/single-6.7.5/snapshot.db'))).code).toBe('DUMP_NOT_TEXT');
    expect((await failure(Buffer.from([0x1f, 0x8b, 8]))).code).toBe('DUMP_NOT_TEXT');
    expect((await failure('-----BEGIN AGE ENCRYPTED FILE-----\n')).code).toBe('DUMP_ENCRYPTED');
  });

  test('until the operator stops it', async () => {
    const stop = new AbortController();
    const reading = readDump('fixtures/cluster3-6.12.0/dump.yml', silentContext(stop.signal));
    await reading.next();
    stop.abort(new Error('stopped'));
    await expect(reading.next()).rejects.toThrow('stopped');
  });
});

describe('A bad dump is refused with its file, document and line', () => {
  test.each([
    ['a tab', `${check}---\ntype: Handler\nspec:\n\tcommand: x\n`, 2, 7, 'a tab is used to indent'],
    ['a key twice', `${check}---\n${check}spec: {}\n`, 2, 8, 'a key is there twice'],
    ['a cut in a text', `${check}---\n# x\ntype: Handler\nspec: {command: "ab`, 2, 7, 'cut short'],
    ['a cut before the spec', `${check}---\n\n# x\ntype: Handler\n`, 2, 7, 'the Handler has no spec'],
    ['no name', `${check}---\ntype: Handler\nspec: {}\n`, 2, 5, 'the Handler has no name in its metadata'],
    ['no type', 'metadata: {}\nspec: {}\n', 1, 1, 'the resource has no type'],
    ['a number as a name', check.replace('disk', '12'), 1, 1, 'name is a number: put it in quotes'],
    [
      'a text as a spec',
      'type: Handler\nmetadata: {name: a}\nspec: hello\n',
      1,
      1,
      'spec is a text, not a map',
    ],
    ['a stray key', `${check}apiVersion: v1\n`, 1, 1, 'but no "apiVersion"'],
    ['words', 'hello\n', 1, 1, 'it is a text, not a resource'],
    ['the same twice', `${check}---\n${check}`, 2, 5, 'CheckConfig default/disk is there already'],
    ['JSON cut short', `{"type": "Handler",\n"metadata": {"name": "x"`, 1, 2, 'cut short'],
    ['JSON with a stray comma', '{"type": "Event"\n,}', 1, 2, 'it is not JSON'],
    ['bytes that are no text', Buffer.from(`${check}---\na: \xff\xfe`, 'latin1'), 2, 4, 'not UTF-8'],
  ])('%s', async (_what, content, document, line, fault) => {
    const error = await failure(content);
    expect(error.message).toContain(fault);
    expect(error.message).toMatch(new RegExp(`dump\\.yml, document ${document}, line ${line}: `));
    expect(error.kind).toBe('source');
  });

  test('both places of a duplicate', async () => {
    const path = await mkdtemp(join(folder, 'twice-'));
    await writeFile(join(path, 'a.yml'), check);
    await writeFile(
      join(path, 'b.json'),
      '[\n{"type":"check_config","metadata":{"name":"disk","namespace":"default"},"spec":{}}]',
    );
    await expect(read(path)).rejects.toMatchObject({
      code: 'DUMP_DUPLICATE',
      message: `${join(path, 'b.json')}, document 1, line 2: CheckConfig default/disk is there already (${join(path, 'a.yml')}, document 1, line 1).`,
    });
  });

  test('50 MB in one document, without reading it all', async () => {
    const huge = Buffer.alloc(50_000_000, '    line\n');
    const start = Buffer.from('type: CheckConfig\nspec:\n  command: |\n');
    const yaml = await failure(Buffer.concat([start, huge]));
    expect(yaml).toMatchObject({ code: 'DUMP_TOO_LARGE' });
    expect(yaml.message).toContain('document 1, line 1: the document is larger than 16 MiB');
    const json = await failure(Buffer.concat([Buffer.from('{"a": "'), huge, Buffer.from('"}')]));
    expect(json.code).toBe('DUMP_TOO_LARGE');
  });

  test('never with what it says', async () => {
    for (const content of [
      'password_hash: "s3cret',
      'a: *s3cret',
      's3cret',
      '{"password": s3cret}',
      '!s3cret x',
    ]) {
      const { message, hint } = await failure(content);
      expect(message + hint).not.toContain('s3cret');
    }
    const twice = '{"type":"APIKey","metadata":{"name":"3ab2ee1c-0d2b-4c0d-9d6e-9a4f6e1f7b11"},"spec":{}}';
    expect((await failure(twice + twice)).message).toContain('APIKey …7b11 is there already');
  });
});

describe('A resource that cannot be parsed is named with its line', () => {
  /** The trap: sensuctl writes such labels, and a dump may have thousands of resources. */
  test.each([
    [
      'YAML',
      `type: CheckConfig
api_version: core/v2
metadata:
  labels:
    name: of-a-label

    odd: "a\u2028b"
    <<: merge
  name: disk
  namespace: ops
spec: {}
`,
      8,
    ],
    [
      'JSON',
      `{
  "type": "CheckConfig",
  "metadata": {
    "name": "disk",
    "namespace": "ops",
    "labels": {
      "a": x
    }
  },
  "spec": {}
}
`,
      7,
    ],
  ])('in %s', async (_form, text, line) => {
    const path = await fileWith(text);
    const failure = await failureOf(read(path));
    expect(failure.message).toContain(`${path}, document 1, line ${line} (CheckConfig ops/disk): `);
  });

  test('and not where its lines do not tell', async () => {
    const path = await fileWith('a: 1\na: 2\n');
    expect((await failureOf(read(path))).message).toContain(`${path}, document 1, line 2: `);
  });
});

describe('A dump may be written as sensuctl takes it', () => {
  test('types in snake case, no api_version, metadata in the spec, a byte order mark', async () => {
    const path = await fileWith(
      '\uFEFF---\ntype: check_config\nspec:\n  metadata: {name: a, namespace: ops}\n  interval: 1\n',
    );
    const [resource] = await read(path);
    expect(resource).toMatchObject({
      type: 'CheckConfig',
      apiVersion: 'core/v2',
      namespace: 'ops',
      name: 'a',
    });
    expect(resource!.spec).toEqual({ interval: 1 });
  });

  test('names that are left to the spec', async () => {
    const names = await read(
      await fileWith(
        [
          'type: Namespace\nspec: {name: ops}',
          'type: User\nspec: {username: erin}',
          'type: Silenced\nmetadata: {namespace: ops}\nspec: {check: disk}',
          'type: TessenConfig\nspec: {opt_out: true}',
          'type: Event\nspec: {entity: {metadata: {name: e}}, check: {metadata: {name: c}}}',
        ].join('\n---\n') + '\n',
      ),
    );
    expect(names.map(({ name }) => name)).toEqual(['ops', 'erin', '*:disk', '', 'e/c']);
  });

  test('kinds that nobody knows are kept, and said to be unknown', async () => {
    const path = await fileWith(
      'type: Gadget\napi_version: acme/v1\nmetadata: {name: vault}\nspec: {a: 1}\n',
    );
    const [resource] = await read(path);
    expect(resource).toMatchObject({ type: 'Gadget', isKnown: false, spec: { a: 1 } });
    expect(showResource(resource!)).toBe('acme/v1 Gadget vault');
  });

  test('a last line without an end is worth a warning: it may be cut', async () => {
    const context = silentContext();
    await read(await fileWith(check.trimEnd()), {}, context);
    expect(context.warnings).toEqual([expect.stringContaining('it may be cut short')]);
  });
});
