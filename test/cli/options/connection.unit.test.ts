import { expect, it } from 'vitest';
import { silentContext } from '../../support/silent-context.js';
import { connectOptionsFrom } from '../../../src/cli/options/connection.js';
import type { Context, Environment } from '../../../src/core/context.js';

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

it('a password that crosses a network in clear is warned of, and the data of others is not', async () => {
  const context = silentContext();
  const endpoints = ['http://127.example.com:2379'];
  await connectOptionsFrom({ endpoints }, context);
  expect(context.warnings).toEqual([]);
  await connectOptionsFrom({ endpoints }, context, { sendsPasswords: true });
  const login = { ETCDCTL_USER: 'root:hunter2' };
  await connectOptionsFrom({ endpoints }, { ...context, env: login });
  const warning = /^Passwords .* in clear to http:\/\/127.example.com:2379/;
  expect(context.warnings).toEqual([expect.stringMatching(warning), expect.stringMatching(warning)]);
  await expect(
    connectOptionsFrom({ endpoints: ['etcd-1:2379'] }, { ...context, env: login }),
  ).rejects.toMatchObject({ code: 'ENDPOINT_WITHOUT_SCHEME' });
});
