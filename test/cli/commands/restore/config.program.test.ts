import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headMark } from '../../../../src/dump/marks.js';
import type { ServedDouble } from '../../../support/served-double.js';
import { adminKey, disturbed, dumpOf, erinsKey, freshTarget } from '../../../restore/config/target.js';
import { expectNoTrace, ferry, fixture, startFerry, testFolder } from '../../../support/ferry.js';

let target: ServedDouble;
beforeAll(async () => {
  target = await freshTarget();
}, 120_000);
afterAll(() => target.stop());

interface Given {
  readonly folder: string;
  readonly login: readonly string[];
}

async function given(): Promise<Given> {
  const folder = await testFolder();
  const keyFile = join(folder, 'key');
  await writeFile(keyFile, adminKey, { mode: 0o600 });
  return { folder, login: ['--api-url', target.url, '--api-key-file', keyFile] };
}

const run = (dump: string, { login }: Given, ...more: string[]) =>
  ferry(['restore', 'config', '--from', dump, ...login, ...more]);

const isNoEvent = ({ type }: { readonly type: string }): boolean => type !== 'Event';

describe('restore config', () => {
  it('plans, restores what the API takes, names the rest with a reason, and exits 3 for it', async () => {
    const setting = await given();
    const dump = await dumpOf('kitchen-sink-6.12.0', setting.folder, isNoEvent);
    const plan = await run(dump, setting, '--plan', '--json');
    expect(plan.code).toBe(3);
    const { counts, resources } = (JSON.parse(plan.stdout) as { plan: PlanDocument }).plan;
    expect(counts).toMatchObject({ refused: 1, write: 0 });
    expect(resources.find(({ refusal }) => refusal === 'api-key')?.name).toBe(`…${erinsKey.slice(-4)}`);
    const done = await run(dump, setting, '--yes');
    expect(done.code, done.stderr).toBe(3);
    expect(resources.flatMap(({ fields }) => fields)).toContainEqual({
      path: 'spec.password_hash',
      before: '(not shown)',
      after: '(from the dump)',
    });
    expect(done.stdout).toMatch(
      /^Restored to http.*: \d+ created, \d+ changed, \d+ equal already, 1 refused\.$/m,
    );
    expect(done.stdout).toContain(`! APIKey …${erinsKey.slice(-4)}: the API makes new keys only`);
    for (const secret of [/\$2a\$/, new RegExp(erinsKey), new RegExp(adminKey)]) {
      expect(plan.stdout + plan.stderr + done.stdout + done.stderr).not.toMatch(secret);
    }
  });

  it('writes the API key into etcd beside the API, and then all is there', async () => {
    const setting = await given();
    const dump = await dumpOf('kitchen-sink-6.12.0', setting.folder, isNoEvent);
    const endpoints = ['--endpoints', target.client.endpoints.join(',')];
    const done = await run(dump, setting, ...endpoints, '--yes', '--json');
    expect(done.code, done.stderr).toBe(0);
    expect(JSON.parse(done.stdout)).toMatchObject({ written: 1, refused: [], failed: [], notTried: [] });
    const again = await run(dump, setting, ...endpoints, '--plan', '--json');
    expect(again.code).toBe(0);
    expect((JSON.parse(again.stdout) as { plan: PlanDocument }).plan.counts).toMatchObject({
      create: 0,
      change: 0,
      write: 0,
    });
  });

  it('brings a dump back so that the next dump has the same bytes, but for who made what', async () => {
    const fresh = await freshTarget();
    try {
      const { folder, login } = await given();
      const at = ['--endpoints', fresh.client.endpoints.join(',')];
      // The silences have ended since the store was recorded.
      const form = ['--with-secrets', '--accept-loss', '--omit', 'silenced'];
      const dump = (...from: string[]) => ferry(['dump', ...from, ...form]);
      const before = await dump('--from', fixture('kitchen-sink-6.12.0/snapshot.db'));
      const path = join(folder, 'before.yml');
      await writeFile(path, before.stdout, { mode: 0o600 });
      const toFresh = login.map((word) => (word === target.url ? fresh.url : word));
      const restore = ['restore', 'config', '--from', path, ...toFresh, ...at, '--with-events'];
      // Both warn of what posting an event does, and end alike.
      expect((await ferry([...restore, '--plan'])).code).toBe(3);
      const restored = await ferry([...restore, '--yes']);
      expect(restored.code, restored.stdout + restored.stderr).toBe(3);
      expect(restored.stderr).toMatch(/^warning: Sensu takes each event that is posted \(2\)/m);
      const after = await dump(...at);
      expect(withoutAuthors(after.stdout)).toBe(withoutAuthors(before.stdout));
      expect(before.stdout.length).toBeGreaterThan(15_000);
    } finally {
      await fresh.stop();
    }
  });

  it('exits 1 when Sensu refuses a resource, and says which, where it stands and why', async () => {
    const setting = await given();
    const dump = join(setting.folder, 'dump.yml');
    const silence = (name: string, expire: number): string =>
      `type: Silenced\nmetadata: {name: "*:${name}", namespace: default}\nspec: {check: ${name}, expire: ${expire}}\n`;
    await writeFile(dump, `${silence('long', 9_999_999)}---\n${silence('short', 60)}`);
    const done = await run(dump, setting, '--yes');
    expect(done.code).toBe(1);
    expect(done.stdout).toContain('1 created');
    expect(done.stdout).toContain(`x Silenced default/*:long (${dump}, document 1, line 1): `);
    expect(done.stdout).toContain('[API_SILENCE_TOO_LONG]');
    expect(done.stdout).toContain('Run the same command again');
  });

  it.each([
    ['no API', [], '', 2, 'API_URL_MISSING'],
    ['--refused-too without etcd', ['--refused-too'], '', 2, 'ENDPOINTS_MISSING'],
    ['nobody to ask', ['LOGIN'], 'type: Namespace\nspec: {name: asked}\n', 2, 'CONFIRMATION_MISSING'],
    ['a tab', ['LOGIN', '--yes'], 'type: Namespace\nspec:\n\tname: tab\n', 10, 'DUMP_NOT_YAML'],
    [
      'a field of the wrong type',
      ['LOGIN', '--yes'],
      'type: Namespace\nspec: {name: 1}\n',
      10,
      'DUMP_UNUSABLE',
    ],
    ['nothing there', ['LOGIN', '--yes'], '', 10, 'DUMP_EMPTY'],
    [
      'a dump that is cut',
      ['LOGIN', '--yes'],
      `${headMark}type: Namespace\nspec: {name: a}\n`,
      10,
      'DUMP_CUT',
    ],
  ])('refuses %s', async (_what, more, dump, code, name) => {
    const setting = await given();
    const path = join(setting.folder, 'dump.yml');
    await writeFile(path, dump);
    const args = more.flatMap((word) => (word === 'LOGIN' ? setting.login : [word]));
    const ended = await ferry(['restore', 'config', '--from', path, ...args]);
    expect(ended.stderr).toContain(`[${name}]`);
    expect(ended.code).toBe(code);
    expectNoTrace(ended);
  });

  it('says at Ctrl-C what was done and what was not, and exits 130', async () => {
    const { folder, login } = await given();
    const dump = join(folder, 'dump.yml');
    const checks = Array.from(
      { length: 30 },
      (_, i) =>
        `type: CheckConfig\nmetadata: {name: slow-${i}, namespace: default}\nspec: {command: "true"}\n`,
    );
    await writeFile(dump, checks.join('---\n'));
    let puts = 0;
    const between = await disturbed(target.url, ({ method }) => {
      if (method === 'PUT') puts += 1;
      // The others are never answered.
      if (puts === 8) running.child.kill('SIGINT');
      return method === 'PUT';
    });
    const throughIt = login.map((word) => (word === target.url ? between.url : word));
    const running = startFerry(['restore', 'config', '--from', dump, ...throughIt, '--yes']);
    try {
      const ended = await running.finished;
      expect(ended.code, ended.stderr).toBe(130);
      expect(ended.stdout).toContain('8 failed, 22 not tried');
      expect(ended.stdout).toContain('? CheckConfig default/slow-29: not tried');
      expectNoTrace(ended);
    } finally {
      between.close();
    }
  });

  it('asks again where connections are lost, and Node says nothing of it', async () => {
    const { folder, login } = await given();
    const dump = join(folder, 'dump.yml');
    // So few that each is asked for by its name, and all at once.
    const checks = Array.from(
      { length: 19 },
      (_, i) =>
        `type: CheckConfig\nmetadata: {name: lost-${i}, namespace: default}\nspec: {command: "true"}\n`,
    );
    await writeFile(dump, checks.join('---\n'));
    const seen = new Set<string>();
    const between = await disturbed(target.url, ({ method, url, socket }) => {
      const request = `${method} ${url}`;
      if (seen.has(request)) return false;
      seen.add(request);
      socket.destroy();
      return true;
    });
    try {
      const throughIt = login.map((word) => (word === target.url ? between.url : word));
      const ended = await ferry(['restore', 'config', '--from', dump, ...throughIt, '--yes']);
      expect({ code: ended.code, stderr: ended.stderr }).toEqual({ code: 0, stderr: '' });
      expect(ended.stdout).toContain('19 created');
    } finally {
      between.close();
    }
  });

  it('reads standard input', async () => {
    const { login } = await given();
    const ended = await ferry(['restore', 'config', '--from', '-', ...login, '--yes'], {
      input: 'type: Namespace\nspec: {name: piped}\n',
    });
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.stdout).toContain('1 created');
  });
});

/** The API puts the name of whoever asks it. */
const withoutAuthors = (dump: string): string => dump.replace(/^ +created_by: .*\n/gm, '');

interface PlanDocument {
  readonly counts: Readonly<Record<string, number>>;
  readonly resources: readonly {
    readonly name: string;
    readonly refusal?: string;
    readonly fields: readonly object[];
  }[];
}
