import { createServiceControl } from '../../sensu/service-control.js';
import { waitUntilAnswering } from '../backend-answer.js';
import { factsOf } from '../journal.js';
import type { Step } from '../strategy.js';

export const startStep: Step<'start'> = {
  id: 'start',
  title: 'Start the backend on the external etcd',
  changes: 'runs the start command, and waits until the API answers',
  downtime: true,
  async run({ context, settings, source, facts }) {
    await createServiceControl(context, settings).start();
    await waitUntilAnswering(context, settings, source);
    const answered = context.clock.now();
    const asked = new Date(factsOf(facts, 'stop').stopAskedAt);
    return {
      answeredAt: answered.toISOString(),
      downtimeMilliseconds: answered.getTime() - asked.getTime(),
    };
  },
  /** The backend may be up on the target, or dying and being restarted by systemd: it must be down before its files change. */
  async undo({ context, settings }) {
    await createServiceControl(context, settings).stop();
  },
};
