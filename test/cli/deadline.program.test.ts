import { createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listen, type Listening } from '../storage/s3/doubles.js';

import { expectFailure, ferry, fixture, testFolder } from '../support/ferry.js';

/** What a server does to whoever connects, without ever giving an answer. */
const servers = {
  silent: () => undefined,
  dripping: (socket: Socket) => {
    socket.write(
      'HTTP/1.1 200 OK\r\ncontent-type: application/xml\r\n\r\n<?xml version="1.0"?><ListBucketResult>',
    );
    return setInterval(() => socket.write(' '), 200);
  },
  continuing: (socket: Socket) => setInterval(() => socket.write('HTTP/1.1 100 Continue\r\n\r\n'), 1),
} as const;

type Manner = keyof typeof servers;

const listening = new Map<Manner, Listening>();

beforeAll(async () => {
  for (const [manner, serve] of Object.entries(servers) as [Manner, (typeof servers)[Manner]][]) {
    const server = createServer((socket) => {
      const timer = serve(socket);
      socket
        .on('close', () => {
          clearInterval(timer);
        })
        .resume();
    });
    listening.set(manner, await listen(server));
  }
});
afterAll(() => Promise.all([...listening.values()].map((server) => server.stop())));

const urlOf = (manner: Manner): string => listening.get(manner)!.endpoint;

const env = { AWS_ACCESS_KEY_ID: 'test-access-key', AWS_SECRET_ACCESS_KEY: 'test-secret-key' };

const inBucket = (manner: Manner): string[] => ['--s3-endpoint', urlOf(manner), '--timeout', '1s'];

describe('a server that never answers', () => {
  it.each(Object.keys(servers) as Manner[])('(%s) holds nobody beyond --timeout', async (manner) => {
    const list = ['snapshot', 'list', 's3://backups', ...inBucket(manner)];
    expectFailure(await ferry(list, { env }), 15, 'TIMED_OUT');
  });

  it('is UNKNOWN to a monitoring system, which needs no option for that', async () => {
    const check = ['snapshot', 'check', 's3://backups', ...inBucket('dripping')];
    const { code, stdout } = await ferry(check, { env });
    expect({ code, stdout }).toEqual({
      code: 3,
      stdout: expect.stringMatching(/UNKNOWN.*TIMED_OUT/) as string,
    });
    expect((await ferry(['snapshot', 'check', '--help'])).stdout).toMatch(/--timeout .*\(default: "50s"\)/s);
  });

  it('holds no command beyond --timeout', async () => {
    const etcd = ['--endpoints', urlOf('silent'), '--timeout', '1s'];
    const store = fixture('single-6.7.5/snapshot.db');
    const folder = await testFolder();
    const commands = [
      ['snapshot', 'save', '--to', folder, ...etcd],
      ['snapshot', 'inspect', 's3://backups/a.sferry', ...inBucket('dripping')],
      ['snapshot', 'pin', 's3://backups', 'a.sferry', ...inBucket('dripping')],
      ['snapshot', 'prune', 's3://backups', '--keep-last', '1', ...inBucket('dripping')],
      ['snapshot', 'diff', store, 's3://backups/a.sferry', ...inBucket('dripping')],
      ['snapshot', 'verify', store, '--against', ...etcd],
      ['dump', '--endpoints', urlOf('silent'), '--timeout', '1s'],
      ['restore', 'etcd', '--from', store, ...etcd],
      ['rbac', 'plan', ...etcd],
    ];
    for (const words of commands) expectFailure(await ferry(words, { env }), 15, 'TIMED_OUT');
  });
});
