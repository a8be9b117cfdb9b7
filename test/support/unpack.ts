import { extract } from 'tar';
import { fixture } from './recorded-truth.js';

/** Unpacks a recorded data directory, `etcd/data` and `etcd/wal`, into a folder. */
export function unpackFixture(archive: string, folder: string): void {
  extract({ sync: true, file: fixture(archive), cwd: folder, strict: true });
}
