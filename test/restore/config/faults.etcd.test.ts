import type http from 'node:http';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { applyConfig } from '../../../src/restore/config/apply-config.js';
import { planConfig } from '../../../src/restore/config/plan-config.js';
import type { PlannedResource } from '../../../src/restore/config/planned.js';
import type { ApiResource } from '../../../src/sensu/resources/api-value.js';
import type { ServedDouble } from '../../support/served-double.js';
import { silentContext } from '../../support/silent-context.js';
import { adminKey, connectTo, disturbed, documentOf, freshTarget, type Disturbance } from './target.js';

let folder: string;
let target: ServedDouble;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-config-'));
  target = await freshTarget();
}, 120_000);
afterAll(async () => {
  await target.stop();
  await rm(folder, { recursive: true });
});

const options = { withEvents: false, directly: 'nothing' } as const;

const resource = (type: string, name: string, spec: ApiResource['spec']): ApiResource => ({
  type,
  apiVersion: 'core/v2',
  metadata: { name, namespace: 'default' },
  spec,
});

/** Handlers, which come first, and checks. */
async function dumpOf(prefix: string, checks: number): Promise<string> {
  const path = join(folder, `${prefix}.json`);
  const all = [
    ...Array.from({ length: checks }, (_, i) =>
      resource('CheckConfig', `${prefix}-${i}`, { command: 'true', interval: 60, subscriptions: [] }),
    ),
    resource('Handler', `${prefix}-handler`, { type: 'pipe', command: 'cat' }),
  ];
  await writeFile(path, all.map(documentOf).join('\n'));
  return path;
}

async function throughDisturbance(disturb: Disturbance): Promise<string> {
  const between = await disturbed(target.url, disturb);
  onTestFinished(() => {
    between.close();
  });
  return between.url;
}

async function restore(url: string, dump: string, signal?: AbortSignal) {
  const context = silentContext(signal);
  const plan = await planConfig(context, connectTo(target.url), dump, options);
  return applyConfig(context, { api: connectTo(url, adminKey, signal), client: undefined }, plan);
}

const names = (list: readonly PlannedResource[]): string[] =>
  list.map(({ resource: { name } }) => name).sort();
const isPut = ({ method, url = '' }: http.IncomingMessage, of: string): boolean =>
  method === 'PUT' && url.endsWith(of);

const spoilings: Readonly<Record<string, (response: http.ServerResponse) => void>> = {
  'a 500': (response) => void response.writeHead(500).end('{"message":"internal error","code":0}'),
  'a web page': (response) =>
    void response.writeHead(404, { 'content-type': 'text/html' }).end('<html>no</html>'),
  'a lost connection': (response) => void response.destroy(),
  'no answer in time': () => undefined,
};

describe('an API that fails', () => {
  test.each([
    ['a 500', 'API_FAILED'],
    ['a web page', 'API_ANSWER_UNUSABLE'],
    ['a lost connection', 'API_UNREACHABLE'],
    ['no answer in time', 'API_TIMEOUT'],
  ])(
    'for one resource, with %s: the others are done, that one is listed, and a second run does it',
    async (what, code) => {
      const prefix = code.toLowerCase().replaceAll('_', '-');
      const dump = await dumpOf(prefix, 12);
      const url = await throughDisturbance((request, response) => {
        if (!isPut(request, `/${prefix}-3`)) return false;
        spoilings[what]!(response);
        return true;
      });
      const { done, failed, notTried } = await restore(url, dump);
      expect(failed.map(({ planned, error }) => [planned.resource.name, error.code])).toEqual([
        [`${prefix}-3`, code],
      ]);
      expect(done).toHaveLength(12);
      expect(notTried).toEqual([]);
      const again = await restore(target.url, dump);
      expect(names(again.done)).toEqual([`${prefix}-3`]);
      expect(again.failed).toEqual([]);
    },
  );

  test('for every resource is given up, and what was not tried is listed', async () => {
    const dump = await dumpOf('gone', 60);
    const url = await throughDisturbance((request, response) => {
      if (request.method !== 'PUT' || request.url!.endsWith('-handler')) return false;
      response.destroy();
      return true;
    });
    const { done, failed, notTried } = await restore(url, dump);
    expect(names(done)).toEqual(['gone-handler']);
    // Ten in a row, and those that were under way beside them.
    expect(failed.length).toBeGreaterThanOrEqual(10);
    expect(failed.length).toBeLessThan(20);
    expect(failed.length + notTried.length).toBe(60);
    expect((await restore(target.url, dump)).done).toHaveLength(60);
  });

  test('while the plan is made leaves everything as it was', async () => {
    const dump = await dumpOf('planless', 3);
    const url = await throughDisturbance((request, response) => {
      if (!request.url!.endsWith('/planless-2')) return false;
      response.writeHead(200, { 'content-length': '500' }).write('{"command":');
      response.destroy();
      return true;
    });
    const planning = planConfig(silentContext(), connectTo(url), dump, options);
    await expect(planning).rejects.toMatchObject({ kind: 'unreachable', code: 'API_UNREACHABLE' });
    expect((await restore(target.url, dump)).done).toHaveLength(4);
  });
});

test('a dump of many of a type asks for them by the page, not one by one', async () => {
  const dump = await dumpOf('many', 150);
  expect((await restore(target.url, dump)).done).toHaveLength(151);
  let gets = 0;
  const url = await throughDisturbance(({ method }) => {
    if (method === 'GET') gets += 1;
    return false;
  });
  const plan = await planConfig(silentContext(), connectTo(url), dump, options);
  expect(plan.resources.every(({ action }) => action === 'equal')).toBe(true);
  expect(gets).toBeLessThan(20);
});

test('when it is stopped in the middle, what is done, under way and not tried add up to everything', async () => {
  const dump = await dumpOf('stopped', 40);
  const stop = new AbortController();
  let puts = 0;
  const url = await throughDisturbance((request) => {
    if (request.method === 'PUT' && (puts += 1) === 10) stop.abort(new Error('stopped'));
    return false;
  });
  const { done, failed, notTried } = await restore(url, dump, stop.signal);
  expect(done.length + failed.length + notTried.length).toBe(41);
  expect(notTried.length).toBeGreaterThan(10);
  for (const { error } of failed) expect(error.code).toBe('INTERRUPTED');
  const again = await restore(target.url, dump);
  expect(again.failed).toEqual([]);
  expect(again.done.length).toBeGreaterThanOrEqual(notTried.length);
});
