import { constants } from 'node:fs';
import { access, lstat, stat, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { CorruptFileError } from '../../etcd-files/corrupt.js';
import { findHolder } from '../../etcd-files/data-directory/in-use.js';
import { findIdentity } from '../../etcd-files/data-directory/stopped-log.js';
import { systemCode } from '../../core/errors.js';
import { isReadableByOthers } from '../../core/secret-file.js';
import { formatBytes, formatId } from '../../core/units.js';
import { refusal, warning, type Finding } from '../findings.js';
import type { RecordedSettings } from '../settings.js';
import type { SourceFacts } from './source.js';

/** What must be readable, writable and large enough on this host. */
export async function inspectHost(
  settings: RecordedSettings,
  dataDirectory: string,
  runDirectory: string,
  source: SourceFacts | undefined,
): Promise<readonly Finding[]> {
  const findings = await Promise.all([
    replaceable(settings.backendConfig, '--backend-config'),
    settings.auth === 'password' ? replaceable(settings.envFile, '--env-file') : [],
    readableData(dataDirectory, source),
    ...[settings.rootPasswordFile, settings.sensuPasswordFile, settings.apiKeyFile].map(secretFile),
    ...[settings.tls.cacert, settings.tls.cert, settings.tls.key].map((path) =>
      readableByBackend(path, dataDirectory),
    ),
    source === undefined ? [] : space(runDirectory, source),
  ]);
  return findings.flat();
}

/** A file is rewritten beside itself and renamed, so its directory must be writable. */
async function replaceable(path: string, option: string): Promise<Finding[]> {
  const file = await lstat(path).catch(() => undefined);
  if (file?.isSymbolicLink() === true) {
    return [
      refusal(
        'FILE_IS_LINK',
        `${path} (${option}) is a symbolic link: whatever manages its target would be overwritten.`,
        'Give the real file, and change what manages it, or it will undo the migration.',
      ),
    ];
  }
  const writable = await access(dirname(resolve(path)), constants.W_OK).then(
    () => true,
    () => false,
  );
  if (writable) return [];
  return [
    refusal(
      'NOT_WRITABLE',
      `${dirname(resolve(path))} (of ${option}) cannot be written.`,
      'Run this as root.',
    ),
  ];
}

async function readableData(dataDirectory: string, source: SourceFacts | undefined): Promise<Finding[]> {
  const db = join(dataDirectory, 'data', 'member', 'snap', 'db');
  try {
    await access(db, constants.R_OK);
    return source === undefined ? [] : sameEtcd(dataDirectory, source);
  } catch (error) {
    return [
      refusal(
        'DATA_DIRECTORY_UNREADABLE',
        `${db} cannot be read (${systemCode(error) ?? 'unknown error'}): the last difference is taken from there.`,
        'Run this as root on the host of the backend, and check state-dir in backend.yml.',
      ),
    ];
  }
}

/** A directory left from another state-dir, or of another backend, would be known only when this one is stopped. */
function sameEtcd(dataDirectory: string, source: SourceFacts): Finding[] {
  let found: ReturnType<typeof findIdentity>;
  try {
    found = findIdentity(dataDirectory);
  } catch (error) {
    if (!(error instanceof CorruptFileError)) throw error;
    return [
      refusal(
        'DATA_DIRECTORY_UNREADABLE',
        `${error.message}.`,
        'Check state-dir in backend.yml: the last difference is taken from there.',
      ),
    ];
  }
  const isSame =
    found === undefined ||
    (found.clusterId === source.etcdClusterId && found.memberId === source.etcdMemberId);
  if (isSame) return held(dataDirectory);
  return [
    refusal(
      'DATA_DIRECTORY_OF_ANOTHER',
      `${dataDirectory} is not that of the embedded etcd which answers: it is of member ${formatId(found!.memberId)} of cluster ${formatId(found!.clusterId)}.`,
      'Check state-dir in backend.yml, and --source-endpoints: both must be those of the backend on this host.',
    ),
  ];
}

/** A copy of the store has the same ids. Only a warning: a holder in another container is not seen from here. */
function held(dataDirectory: string): Finding[] {
  if (findHolder(dataDirectory).state !== 'free') return [];
  return [
    warning(
      'DATA_DIRECTORY_NOT_HELD',
      `The embedded etcd answers, but no process is seen to hold ${dataDirectory}.`,
      'Make sure that the backend runs on that state-dir: the migration gives up, with the backend stopped, when it does not.',
    ),
  ];
}

async function secretFile(path: string | undefined): Promise<Finding[]> {
  if (path === undefined || !(await isReadableByOthers(path).catch(() => false))) return [];
  return [
    warning('SECRET_FILE_OPEN', `${path} can be read by other users of this host.`, `chmod 600 ${path}`),
  ];
}

/** The backend runs as the user that owns its state directory, and reads the TLS files itself. */
async function readableByBackend(path: string | undefined, dataDirectory: string): Promise<Finding[]> {
  if (path === undefined) return [];
  const [file, owner] = await Promise.all([
    stat(path).catch(() => undefined),
    stat(dirname(dataDirectory)).catch(() => undefined),
  ]);
  if (file === undefined || owner === undefined || owner.uid === 0) return [];
  const readable =
    (file.mode & 0o004) !== 0 ||
    (file.gid === owner.gid && (file.mode & 0o040) !== 0) ||
    (file.uid === owner.uid && (file.mode & 0o400) !== 0);
  if (readable) return [];
  return [
    refusal(
      'TLS_FILE_UNREADABLE_FOR_BACKEND',
      `${path} cannot be read by the user of the backend (uid ${owner.uid}).`,
      `chown that file to the backend's user, or chgrp it and chmod 640: the backend reads it at each start.`,
    ),
  ];
}

/** The archive, the plain snapshot that is read beside it, and room to breathe. */
async function space(runDirectory: string, source: SourceFacts): Promise<Finding[]> {
  const needed = Number(source.dbSize) * 2;
  const free = await freeBytes(resolve(runDirectory));
  if (free >= needed) return [];
  return [
    refusal(
      'DISK_SPACE',
      `${runDirectory} has ${formatBytes(free)} free, and the safety snapshot may need ${formatBytes(needed)}.`,
      'Give a --run-dir on a larger disk.',
    ),
  ];
}

/** Of the nearest directory that exists: the run directory itself is made later. */
async function freeBytes(path: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' || dirname(path) === path) throw error;
    return freeBytes(dirname(path));
  }
}
