import { expect, test } from 'vitest';
import { ProtoWriter } from '../../../src/protobuf/proto-writer.js';
import { readAlarms, readMembers, readRange, readStatus } from '../../../src/etcd/transport/messages.js';

const message = (): ProtoWriter => new ProtoWriter();
const largest = 0xffff_ffff_ffff_fffen;

// No etcd of the tests has ever disagreed with another about its data.
test('alarms are told apart', () => {
  const alarm = (member: bigint, type: number): Buffer =>
    message().number(1, member).number(2, type).finish();
  const answer = message()
    .message(1, Buffer.alloc(0))
    .message(2, alarm(largest, 2))
    .message(2, alarm(1n, 1))
    .finish();
  expect(readAlarms(answer)).toEqual([
    { memberId: largest, type: 'CORRUPT' },
    { memberId: 1n, type: 'NOSPACE' },
  ]);
});

test('a learner says so, and fields of later releases are passed over', () => {
  const later = Buffer.from('later');
  const status = message().number(4, largest).bytes(8, later).number(10, 1).bytes(99, later).finish();
  expect(readStatus(status)).toMatchObject({ leader: largest, errors: ['later'], isLearner: true });
  const member = message().number(1, 7).bytes(2, later).bytes(99, later).number(5, 1).finish();
  expect(readMembers(message().message(2, member).finish())).toEqual([
    { id: 7n, name: 'later', peerUrls: [], clientUrls: [], isLearner: true },
  ]);
});

test('negative numbers of 64 bits keep their sign, ids of leases among them', () => {
  const kv = message().bytes(1, Buffer.from('k')).number(6, -5n).finish();
  const { entries } = readRange(message().message(2, kv).finish());
  expect(entries).toMatchObject([{ lease: -5n, value: Buffer.alloc(0) }]);
});

test.each([
  ['cut short', [0x12, 0x05, 0x61]],
  ['of something else', [0x12, 0x02, 0xff, 0xff]],
])('an answer that is %s is refused', (_what, bytes) => {
  for (const read of [readRange, readMembers, readAlarms]) {
    expect(() => read(Buffer.from(bytes))).toThrow(
      expect.objectContaining({ name: 'FerryError', code: 'ETCD_ANSWER_MALFORMED' }) as Error,
    );
  }
});
