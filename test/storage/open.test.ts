import { describe, expect, it } from 'vitest';
import { parseLocation, parseRemoteFile } from '../../src/storage/location.js';
import { openStorage } from '../../src/storage/open.js';

describe('a location', () => {
  it.each([
    ['/var/backups', { kind: 'directory', path: '/var/backups' }],
    ['./-', { kind: 'directory', path: './-' }],
    ['-', { kind: 'standard-output' }],
    ['s3://backups', { kind: 's3', bucket: 'backups', prefix: '' }],
    ['s3://backups/', { kind: 's3', bucket: 'backups', prefix: '' }],
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

  it.each(['s3://b/p', 's3://-dash/p'])('%s: the bucket that cannot be one is named', (text) => {
    expect(() => parseLocation(text)).toThrow(/names a bucket "(b|-dash)"/);
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
