import { expect, test } from 'vitest';
import { certificateRemedy } from '../../src/rbac/login.js';
import { loginRisks, type LoginSituation } from '../../src/rbac/login-risks.js';

/** What lost events and API requests on real backends: each test takes one thing away. */
const fatal: LoginSituation = {
  login: { form: 'password', user: 'sensu' },
  certificateName: 'backend-1',
  certificateNameServes: false,
  token: 'simple',
  members: 3,
  etcdVersions: ['3.5.30'],
  sensuVersion: '6.12.0',
};

function judged(change: Partial<LoginSituation>): string[] {
  return loginRisks({ ...fatal, ...change }).map(({ severity, code }) => `${severity} ${code}`);
}

test.each<[string, Partial<LoginSituation>, string[]]>([
  ['a CN that is not a user', {}, ['refusal LOGIN_WILL_FAIL']],
  ['tokens that nobody could see', { token: 'assumed-simple' }, ['refusal LOGIN_WILL_FAIL']],
  ['members of 3.6', { etcdVersions: ['3.6.16'] }, ['refusal LOGIN_WILL_FAIL']],
  ['members of which one is 3.5', { etcdVersions: ['3.4.23', '3.5.16'] }, ['refusal LOGIN_WILL_FAIL']],
  ['a Sensu that nobody has tried', { sensuVersion: '6.9.2' }, ['warning LOGIN_WILL_FAIL']],
  ['a Sensu that is not known', { sensuVersion: undefined }, ['warning LOGIN_WILL_FAIL']],
  ['a build without a version', { sensuVersion: '(devel)' }, ['warning LOGIN_WILL_FAIL']],
  ['6.7.5, which did not fail', { sensuVersion: '6.7.5' }, ['warning LOGIN_WILL_FAIL']],
  ['a CN that serves', { certificateNameServes: true }, ['warning LOGIN_LOSES_EVENTS']],
  ['no certificate', { certificateName: undefined }, ['warning LOGIN_LOSES_EVENTS']],
  [
    'no certificate on 3.4',
    { certificateName: undefined, etcdVersions: ['3.4.23'] },
    ['note LOGIN_LOSES_EVENTS'],
  ],
  [
    'no certificate and members that tell no version',
    { certificateName: undefined, etcdVersions: [] },
    ['warning LOGIN_LOSES_EVENTS'],
  ],
  ['JWT', { token: 'jwt' }, []],
  ['tokens of a third kind, of which nothing is known', { token: 'unknown' }, []],
  ['one member', { members: 1 }, []],
  ['a login by certificate', { login: { form: 'certificate', user: 'sensu' } }, []],
])('a login by password, with %s', (_what, change, expected) => {
  expect(judged(change)).toEqual(expected);
});

test('the remedy names the CN that is needed, and how to see tokens that a file asks for', () => {
  const [seen] = loginRisks({ ...fatal, login: { form: 'password', user: 'monitoring' } });
  expect(seen!.remedy).toContain(
    'a client certificate whose CN is monitoring; or start every member with --auth-token jwt,',
  );
  expect(seen!.remedy).not.toContain('rbac apply');
  expect(loginRisks({ ...fatal, token: 'assumed-simple' })[0]!.remedy).toContain('rbac apply --enable-auth');
});

test.each([
  ['another user', 'backend-1', /, or add --etcd-user backend-1 /],
  ['root, which --etcd-user refuses', 'root', /^Give --cert and --key of a certificate whose CN is sensu\.$/],
  ['nobody', undefined, /^Give --cert and --key of a certificate whose CN is sensu\.$/],
])('the remedy for a certificate of %s can be carried out', (_who, name, remedy) => {
  expect(certificateRemedy(name, 'sensu')).toMatch(remedy);
});
