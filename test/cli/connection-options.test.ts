import { expect, it } from 'vitest';
import { connectOptionsFrom } from '../../src/cli/connection-options.js';
import type { Context, Environment } from '../../src/core/context.js';

const contextOf = (env: Environment): Context => ({
  signal: new AbortController().signal,
  clock: { now: () => new Date() },
  report: { info: () => undefined, warn: () => undefined, progress: () => undefined },
  env,
  processes: { run: () => Promise.reject(new Error()), shell: () => Promise.reject(new Error()) },
});

it('variables that are set to nothing count as not set', async () => {
  const nothing = {
    ...{ ETCDCTL_CACERT: '', ETCDCTL_CERT: '', ETCDCTL_KEY: '', ETCDCTL_USER: '', ETCDCTL_PASSWORD: '' },
    ETCDCTL_ENDPOINTS: 'http://127.0.0.1:2379',
  };
  expect(await connectOptionsFrom({}, contextOf(nothing))).toMatchObject({
    endpoints: ['http://127.0.0.1:2379'],
    tls: {},
  });
  await expect(connectOptionsFrom({}, contextOf({ ETCDCTL_CACERT: '/none' }))).rejects.toMatchObject({
    code: 'ENDPOINTS_MISSING',
  });
});
