import type { Command } from 'commander';
import type { Context } from '../../../core/context.js';
import { FerryError } from '../../../core/errors.js';
import type { EtcdClient } from '../../../etcd/client.js';
import type { PlanOptions } from '../../../restore/config/plan-resource.js';
import type { ConfigResult } from '../../../restore/config/apply-config.js';
import type { ConfigPlan } from '../../../restore/config/planned.js';
import { addApiOptions, apiConnectionFrom, type ApiFlags } from '../../options/api.js';
import { confirm } from '../../terminal/confirm.js';
import { addConnectionOptions, connectOptionsFrom, type ConnectionFlags } from '../../options/connection.js';
import { addDecryptionOptions, decryptionKeysFrom, type DecryptionFlags } from '../../options/encryption.js';
import { ExitCode } from '../../exit-codes.js';
import { addNetworkOptions, Interruption, runs, type CommandResult, type OutputOptions } from '../../run.js';

interface RestoreConfigFlags extends OutputOptions, ConnectionFlags, ApiFlags, DecryptionFlags {
  readonly from: string;
  readonly withEvents?: boolean;
  readonly refusedToo?: boolean;
  readonly plan?: boolean;
  readonly yes?: boolean;
}

export function addRestoreConfig(restore: Command): void {
  const command = restore
    .command('config')
    .description(
      "create what a dump holds through Sensu's API, in the order in which one thing needs another",
    )
    .requiredOption(
      '--from <path>',
      'the YAML or JSON of dump or of sensuctl dump: a file, a folder, or - for standard input',
    )
    .option(
      '--with-events',
      'post events too, keepalives never; each is a new result to Sensu, and goes to its handlers again',
    )
    .option('--refused-too', 'with --endpoints: put agent-managed entities into etcd, which the API refuses')
    .option('--plan', 'show what would be done, field by field, and stop')
    .option('--yes', 'do not ask');
  addApiOptions(command);
  addDecryptionOptions(command);
  addNetworkOptions(addConnectionOptions(command)).action(runs(restoreConfig));
}

async function restoreConfig(context: Context, flags: RestoreConfigFlags): Promise<CommandResult> {
  if (flags.refusedToo === true && flags.endpoints === undefined) throw endpointsMissing();
  const connection = await apiConnectionFrom(flags, context);
  if (connection === undefined) throw apiMissing();
  const keys = await decryptionKeysFrom(flags, context);
  const { connectApi } = await import('../../../sensu/api/connection.js');
  const { planConfig } = await import('../../../restore/config/plan-config.js');
  const api = connectApi(connection);
  const client = await etcdFrom(flags, context);
  try {
    if (client !== undefined) {
      const { requireSameStore } = await import('../../../restore/config/write-directly.js');
      await requireSameStore(client, api);
    }
    const plan = await planConfig(context, api, flags.from, { keys, client, ...optionsFrom(flags) });
    for (const warning of plan.warnings) context.report.warn(warning);
    for (const note of plan.notes) context.report.info(note);
    const words = await import('../../words/config.js');
    if (flags.plan === true) {
      const json = { plan: words.configPlanDocument(plan) };
      return { lines: words.describeConfigPlan(plan), json, exit: exitOfPlan(plan) };
    }
    await confirm(context, flags, words.describeConfigPlan(plan), 'write to this Sensu');
    const { applyConfig } = await import('../../../restore/config/apply-config.js');
    const result = await applyConfig(context, { api, client }, plan);
    const json = words.configResultDocument(plan, result);
    return { lines: words.describeConfigResult(plan, result), json, exit: exitOf(context, plan, result) };
  } finally {
    await client?.close();
  }
}

function optionsFrom({ endpoints, refusedToo, withEvents }: RestoreConfigFlags): PlanOptions {
  const directly = endpoints === undefined ? 'nothing' : refusedToo === true ? 'refused-too' : 'api-keys';
  return { directly, withEvents: withEvents === true };
}

/** Only when it is asked for: what is set for other commands in the environment is no wish to write past the API. */
async function etcdFrom(flags: RestoreConfigFlags, context: Context): Promise<EtcdClient | undefined> {
  if (flags.endpoints === undefined) return undefined;
  const { connect } = await import('../../../etcd/connect.js');
  return connect(await connectOptionsFrom(flags, context));
}

/** What is left undone needs eyes as much as what is warned of. */
function exitOfPlan({ resources, warnings }: ConfigPlan): ExitCode {
  const isWhole = warnings.length === 0 && resources.every(({ action }) => action !== 'refused');
  return isWhole ? ExitCode.done : ExitCode.warnings;
}

function exitOf({ signal }: Context, plan: ConfigPlan, { failed, notTried }: ConfigResult): ExitCode {
  if (signal.reason instanceof Interruption) {
    return signal.reason.signal === 'SIGTERM' ? ExitCode.terminated : ExitCode.interrupted;
  }
  if (failed.length + notTried.length > 0) return ExitCode.failed;
  return exitOfPlan(plan);
}

function apiMissing(): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'API_URL_MISSING',
    message: 'It is not said where the API of Sensu is.',
    hint: 'Add --api-url, such as --api-url https://sensu.example.com:8080.',
  });
}

function endpointsMissing(): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'ENDPOINTS_MISSING',
    message: '--refused-too writes into etcd, and no etcd is given.',
    hint: 'Add --endpoints with the client URLs of the etcd that sensu-backend is on.',
  });
}
