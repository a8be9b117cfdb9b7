import { expect, test } from 'vitest';
import { inspectCertificates } from '../../../src/migrate/preflight/certificates.js';
import { inspectTarget } from '../../../src/migrate/preflight/target.js';
import { startEtcd } from '../../support/etcd.js';
import { silentContext } from '../../support/silent-context.js';

// A second refusal, about its TLS handshake, sent operators to look at certificates.
test('a member of the target that is down is refused once, and one that is not named is told', async () => {
  const target = await startEtcd({ members: 3, tls: 'server', until: 'test' });
  const [named, down] = target.members;
  await down!.kill();
  const endpoints = [named!.endpoint, down!.endpoint];
  const tls = target.tls!;
  const client = await target.connect({ endpoints });
  const wishes = { tls, enableAuth: false, hasRootPassword: false, withoutAuth: false, configOnly: false };
  const { findings } = await inspectTarget(silentContext(), client, undefined, wishes);
  const certificates = { endpoints, tls, backendCa: undefined, now: new Date() };
  const all = [...findings, ...(await inspectCertificates(certificates))];
  expect(all.filter(({ severity }) => severity === 'refusal')).toMatchObject([
    {
      code: 'TARGET_MEMBER_AWAY',
      kind: 'unreachable',
      sentence: expect.stringContaining(`${down!.endpoint} does not take part: it refuses`) as string,
    },
  ]);
  expect(all).toContainEqual(
    expect.objectContaining({
      severity: 'note',
      code: 'TARGET_MEMBERS_NOT_NAMED',
      sentence: expect.stringContaining('etcd-3') as string,
    }),
  );
});
