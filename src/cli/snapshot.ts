import type { Command } from 'commander';
import { addInspect } from './snapshot-inspect.js';
import { addSave } from './snapshot-save.js';
import { addSchedule } from './snapshot-schedule.js';

export function addSnapshotCommands(program: Command): void {
  const snapshot = program.command('snapshot').description('take snapshots and look into them');
  addSave(snapshot);
  addInspect(snapshot);
  addSchedule(snapshot);
}
