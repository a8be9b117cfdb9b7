import { createServiceControl } from '../../host/service-control.js';
import { isAnswering, waitUntilAnswering } from '../backend-answer.js';
import { factsOf } from '../engine/journal.js';
import type { Step } from '../engine/strategy.js';

export const startStep: Step<'start'> = {
  id: 'start',
  title: 'Start the backend on the external etcd',
  changes: 'runs the start command, and waits until the API answers',
  downtime: true,
  async run({ context, settings, source, facts, startedBefore }) {
    const asked = new Date(factsOf(facts, 'stop').stopAskedAt);
    const begun = context.clock.now();
    // Nobody saw when it came back. A plain script would start a second one beside it.
    const wasBack = startedBefore && (await isAnswering(settings, source));
    if (!wasBack) await createServiceControl(context, settings).start();
    await waitUntilAnswering(context, settings, source);
    const answered = wasBack ? begun : context.clock.now();
    return {
      answeredAt: answered.toISOString(),
      downtimeMilliseconds: answered.getTime() - asked.getTime(),
      ...(wasBack && { downtimeAtMost: true }),
    };
  },
  /** The backend may be up on the target, or dying and being restarted by systemd: it must be down before its files change. */
  async undo({ context, settings }) {
    await createServiceControl(context, settings).stop();
  },
};
