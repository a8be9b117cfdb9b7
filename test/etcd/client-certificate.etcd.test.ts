import { expect, test } from 'vitest';
import { FerryError } from '../../src/core/errors.js';
import { createAuthority } from '../../src/etcd/throwaway/certificates.js';
import { commonNameOf, refusedByName } from '../../src/etcd/client-certificate.js';
import { enableAuth, startEtcd } from '../support/etcd.js';

const authority = await createAuthority('test CA');
const tls = await authority.issueClient('backend-1');

test('the CN is that of the first certificate of the file, whatever characters it has', async () => {
  const odd = await authority.issueClient('Sensu, backend=1/CN=x');
  expect(commonNameOf(odd)).toBe('Sensu, backend=1/CN=x');
  expect(commonNameOf({ cert: Buffer.concat([tls.cert, authority.ca]) })).toBe('backend-1');
  expect(commonNameOf({})).toBeUndefined();
  expect(() => commonNameOf({ cert: Buffer.from('-----BEGIN CERTIFICATE-----') })).toThrow(
    'The client certificate is not an X.509 certificate.',
  );
});

test.each(['ETCD_USER_NOT_FOUND', 'ETCD_PERMISSION_DENIED'])(
  '%s without --user is a refusal that names the CN',
  (code) => {
    const error = new FerryError({ kind: 'failed', code, message: 'etcd at e refuses.', hint: '' });
    expect(refusedByName(error, tls)).toMatchObject({
      kind: 'denied',
      message:
        'etcd at e refuses: without --user it takes the CN of the client certificate, backend-1, for the user.',
    });
    expect(refusedByName(error, {})).toBe(error);
  },
);

test('who connects by a certificate that names no user is told so, and may still look for one', async () => {
  const etcd = await startEtcd({ tls: 'client-cert', authority, until: 'test' });
  await enableAuth(etcd);
  const client = await etcd.connect({ tls: { ca: authority.ca, ...tls } });
  await expect(client.range({ start: Buffer.from('/sensu.io') })).rejects.toMatchObject({
    kind: 'denied',
    message: expect.stringContaining('the CN of the client certificate, backend-1,') as string,
  });
  expect(await client.auth.userRoles('backend-1')).toBeUndefined();
});
