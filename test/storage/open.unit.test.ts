import { describe, expect, it } from 'vitest';
import { openStore } from '../../src/snapshot/open/open.js';
import { isInBucket, parseLocation, parseRemoteFile } from '../../src/storage/location.js';
import { openStorage } from '../../src/storage/open.js';
import { silentContext } from '../support/silent-context.js';

describe('a location', () => {
  it.each([
    ['/var/backups', { kind: 'directory', path: '/var/backups' }],
    ['./-', { kind: 'directory', path: './-' }],
    ['-', { kind: 'standard-output' }],
    ['s3://backups', { kind: 's3', bucket: 'backups', prefix: '' }],
    ['s3://backups/', { kind: 's3', bucket: 'backups', prefix: '' }],
    ['s3://bk/p', { kind: 's3', bucket: 'bk', prefix: 'p' }],
    ['s3://Old_Bucket', { kind: 's3', bucket: 'Old_Bucket', prefix: '' }],
    ['s3://tenant:bucket', { kind: 's3', bucket: 'tenant:bucket', prefix: '' }],
    ['S3://my.bucket/sensu//nightly/', { kind: 's3', bucket: 'my.bucket', prefix: 'sensu/nightly' }],
  ])('%s is understood', (text, location) => {
    expect(parseLocation(text)).toEqual(location);
  });

  it.each(['', 's3://', 's3:///prefix', 'https://bucket.example.com/x', 'sftp://host/x', 's3://a b/c'])(
    '%j is refused',
    (text) => {
      expect(() => parseLocation(text)).toThrow(
        expect.objectContaining({ kind: 'usage', code: 'LOCATION_UNUSABLE' }),
      );
    },
  );

  it.each(['s3://../p', 's3://a?b/p', 's3://key:secret@bucket/p'])(
    '%s: a bucket that would lead elsewhere is refused, without a password in the sentence',
    (text) => {
      expect(() => parseLocation(text)).toThrow(/^(?!.*secret).*names a bucket "/);
    },
  );

  it.each(['s3:/bkt/p', 's3:bkt', 'S3:/bkt'])('%s is not a folder', async (text) => {
    const failure = { code: 'LOCATION_UNUSABLE', message: expect.stringContaining('s3://') as string };
    expect(() => parseLocation(text)).toThrow(expect.objectContaining(failure));
    await expect(openStore(`${text}/FILE`, silentContext())).rejects.toMatchObject(failure);
  });

  it('of a bucket is one whichever way its scheme is written', () => {
    for (const text of ['s3://b/FILE', 'S3://b/FILE', 's3:/b/FILE']) expect(isInBucket(text)).toBe(true);
    for (const text of ['./s3:/b', 's3', '/s3://b']) expect(isInBucket(text)).toBe(false);
  });

  it('of a file is its place and its name', () => {
    expect(parseRemoteFile('s3://backups/FILE')).toEqual({ location: 's3://backups', name: 'FILE' });
    expect(parseRemoteFile('s3://backups/a/b/FILE')).toEqual({ location: 's3://backups/a/b', name: 'FILE' });
    expect(parseRemoteFile('S3://backups/FILE')).toEqual({ location: 'S3://backups', name: 'FILE' });
    for (const text of ['s3://backups', 's3://backups/', 's3://backups/a/']) {
      expect(() => parseRemoteFile(text)).toThrow('names no file');
    }
  });

  it('is no storage when it is standard output', async () => {
    await expect(openStorage('-', {})).rejects.toMatchObject({ code: 'LOCATION_UNUSABLE' });
  });
});
