import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Context } from '../../core/context.js';
import { formatCounted } from '../../core/units.js';
import { addOutputOptions, inform, runs, type CommandResult, type OutputOptions } from '../run.js';
import { toolName } from '../version.js';

interface DemoFlags extends OutputOptions {
  readonly dir?: string;
}

export function defineDemo(command: Command): void {
  command.option('--dir <dir>', 'a new directory to work in, kept afterwards; default a temporary one');
  addOutputOptions(command).action(runs(demo));
}

async function demo(context: Context, flags: DemoFlags): Promise<CommandResult> {
  const { runDemo } = await import('../../demo/run-demo.js');
  const { describePlan } = await import('../../migrate/plan.js');
  const { describeReport } = await import('../../migrate/report.js');
  const { report, acknowledgedKeys, directory } = await runDemo(context, {
    tool: toolName(),
    onPlan: (plan) => {
      inform(context, [...describePlan(plan), '']);
    },
    ...(flags.dir !== undefined && { directory: resolve(flags.dir) }),
  });
  const writes = `All ${formatCounted(acknowledgedKeys, 'key')} that were written until the stop are on the target, and alice can log in.`;
  const kept = directory === undefined ? [] : [`Everything is kept in ${directory}.`];
  return {
    lines: [...describeReport(report), '', writes, ...kept],
    json: { report, acknowledgedKeys },
  };
}
