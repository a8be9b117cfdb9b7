import { closeSync, openSync, writeSync } from 'node:fs';
import { planColdSnapshot } from '../../src/etcd-files/write/cold-snapshot.js';
import { openDataDirectory } from '../../src/etcd-files/data-directory/data-directory.js';

/** Makes the snapshot of a data directory, in one go. */
export function writeColdSnapshot(directory: string, path: string): void {
  const store = openDataDirectory(directory);
  const fd = openSync(path, 'wx', 0o600);
  try {
    const planning = planColdSnapshot(store);
    let plan = planning.next();
    while (plan.done !== true) plan = planning.next();
    let size = 0;
    for (const piece of plan.value.bytes()) size += writeSync(fd, piece);
    if (size !== plan.value.size) throw new Error(`${size} bytes came of the ${plan.value.size} announced.`);
  } finally {
    closeSync(fd);
    store.close();
  }
}
