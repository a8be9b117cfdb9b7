import type { Command } from 'commander';
import { addCheck } from './snapshot-check.js';
import { addDiff } from './snapshot-diff.js';
import { addInspect } from './snapshot-inspect.js';
import { addList } from './snapshot-list.js';
import { addPin } from './snapshot-pin.js';
import { addPrune } from './snapshot-prune.js';
import { addSave } from './snapshot-save.js';
import { addSchedule } from './snapshot-schedule.js';
import { addVerify } from './snapshot-verify.js';

export function addSnapshotCommands(snapshot: Command): void {
  addSave(snapshot);
  addInspect(snapshot);
  addVerify(snapshot);
  addDiff(snapshot);
  addList(snapshot);
  addPrune(snapshot);
  addPin(snapshot);
  addCheck(snapshot);
  addSchedule(snapshot);
}
