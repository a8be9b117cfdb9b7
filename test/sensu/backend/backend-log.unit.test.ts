import { expect, it } from 'vitest';
import { faultOf, timeOf } from '../../../src/sensu/backend/backend-log.js';

/** As sensu-backend 6.12.0 wrote them. */
const lines = {
  apiKey:
    '{"component":"apid","error":"internal error: etcdserver: permission denied","level":"warning","msg":"invalid api key","time":"2026-11-30T22:04:03Z"}',
  lostEvent:
    '{"check_name":"w20","component":"eventd","error":"etcdserver: invalid auth token","level":"error","msg":"error handling event","time":"2026-11-30T22:04:04Z"}',
  noName:
    '{"component":"eventd","error":"etcdserver: user name is empty","level":"error","msg":"error handling event"}',
  watcher:
    '{"component":"store","key":"/sensu.io/checks","level":"warning","msg":"the watcher has been stopped"}',
  restart:
    '{"component":"backend","error":"x","level":"error","msg":"backend stopped working and is restarting"}',
};

it('tells the faults of a backend with etcd by what it writes of them', () => {
  expect(Object.values(lines).map(faultOf)).toEqual([
    'permission denied',
    'invalid auth token',
    'user name is empty',
    'the watcher has been stopped',
    'backend stopped working and is restarting',
  ]);
  expect(timeOf(lines.apiKey)).toEqual(new Date('2026-11-30T22:04:03Z'));
});

it('takes nothing else for a fault: not what each start says on 3.5.30, nor what a check happens to be called', () => {
  const atStart =
    '{"component":"backend","error":"rpc error: code = PermissionDenied desc = etcdserver: permission denied","level":"error","msg":"error getting etcd cluster version info"}';
  const named = '{"check_name":"permission denied","level":"warning","msg":"the check is late"}';
  const scheduler = '{"component":"schedulerd","level":"info","msg":"restarting scheduler"}';
  expect([atStart, named, scheduler, '', 'null'].map(faultOf)).toEqual(Array(5).fill(undefined));
  expect(timeOf('no JSON')).toBeUndefined();
});
