import type { Command } from 'commander';
import { addCheck } from './check.js';
import { addDiff } from './diff.js';
import { addInspect } from './inspect.js';
import { addList } from './list.js';
import { addPin } from './pin.js';
import { addPrune } from './prune.js';
import { addSave } from './save.js';
import { addSchedule } from './schedule.js';
import { addVerify } from './verify.js';

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
