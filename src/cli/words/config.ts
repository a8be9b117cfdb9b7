import { formatCount, formatCounted } from '../../core/units.js';
import { showPlace } from '../../dump/read/place.js';
import { showResource } from '../../dump/read/resource.js';
import type { ConfigResult, FailedResource } from '../../restore/config/apply-config.js';
import {
  countActions,
  refusals,
  type Action,
  type ConfigPlan,
  type PlannedResource,
} from '../../restore/config/planned.js';
import { apiKeyHint } from '../../sensu/keys/values.js';
import { describeField } from './diff.js';

const signs: Readonly<Record<Action, string>> = {
  create: '+',
  change: '~',
  equal: '=',
  write: '>',
  refused: '!',
};

/** More than a screen or two is for `--json`. */
const mostLines = 400;

export function describeConfigPlan({ source, api, resources }: ConfigPlan): readonly string[] {
  const lines = resources.filter(({ action }) => action !== 'equal').flatMap(describePlanned);
  return [
    `Source  ${source === '-' ? 'standard input' : source}, ${formatCounted(resources.length, 'resource')}`,
    `Target  ${api}`,
    ...cut(lines),
    describeCounts(countActions(resources)),
  ];
}

function describePlanned({ action, resource, fields, refusal }: PlannedResource): string[] {
  const reason = refusal === undefined ? '' : `: ${refusals[refusal]}`;
  const where = action === 'write' ? ', straight into etcd' : '';
  return [
    `${signs[action]} ${showResource(resource)}${where}${reason}`,
    ...fields.map((field) => `    ${describeField(field)}`),
  ];
}

function cut(lines: readonly string[]): readonly string[] {
  if (lines.length <= mostLines) return lines;
  const more = `  and ${formatCounted(lines.length - mostLines, 'more line')}: see --json`;
  return [...lines.slice(0, mostLines), more];
}

function describeCounts({ create, change, equal, write, refused }: Record<Action, number>): string {
  const parts = [
    `${formatCount(create)} to create`,
    `${formatCount(change)} to change`,
    ...(write > 0 ? [`${formatCount(write)} to write into etcd`] : []),
    `${formatCount(equal)} equal`,
    ...(refused > 0 ? [`${formatCount(refused)} refused`] : []),
  ];
  return parts.join(', ');
}

export function describeConfigResult(
  plan: ConfigPlan,
  { done, failed, notTried }: ConfigResult,
): readonly string[] {
  const counts = countActions(done);
  const refused = plan.resources.filter(({ action }) => action === 'refused');
  const parts = [
    `${formatCount(counts.create)} created`,
    `${formatCount(counts.change)} changed`,
    ...(counts.write > 0 ? [`${formatCount(counts.write)} written into etcd`] : []),
    `${formatCount(countActions(plan.resources).equal)} equal already`,
    ...(refused.length > 0 ? [`${formatCount(refused.length)} refused`] : []),
    ...(failed.length > 0 ? [`${formatCount(failed.length)} failed`] : []),
    ...(notTried.length > 0 ? [`${formatCount(notTried.length)} not tried`] : []),
  ];
  return [
    `Restored to ${plan.api}: ${parts.join(', ')}.`,
    ...cut(refused.flatMap(describePlanned)),
    ...cut(failed.flatMap(describeFailed)),
    ...cut(notTried.map(({ resource }) => `? ${showResource(resource)}: not tried`)),
    ...(failed.length + notTried.length > 0
      ? ['Run the same command again: what is done is equal by then, and only the rest is sent.']
      : []),
  ];
}

function describeFailed({ planned: { resource }, error }: FailedResource): string[] {
  return [`x ${showResource(resource)} (${showPlace(resource.place)}): ${error.message} [${error.code}]`];
}

export function configPlanDocument({ source, api, resources, warnings, notes }: ConfigPlan): object {
  return {
    source,
    api,
    counts: countActions(resources),
    resources: resources.map(plannedDocument),
    warnings,
    notes,
  };
}

function plannedDocument(planned: PlannedResource): object {
  const { action, refusal, fields } = planned;
  return {
    ...identity(planned),
    action,
    ...(refusal !== undefined && { refusal, why: refusals[refusal] }),
    fields: fields.map(({ path, before = null, after = null }) => ({ path, before, after })),
  };
}

/** An API key's name is the key. */
function identity({ resource: { type, apiVersion, namespace, name, place } }: PlannedResource): object {
  const shown = type === 'APIKey' ? apiKeyHint(name) : name;
  return { type, apiVersion, namespace: namespace ?? null, name: shown, place };
}

export function configResultDocument(plan: ConfigPlan, { done, failed, notTried }: ConfigResult): object {
  const { create: created, change: changed, write: written } = countActions(done);
  const refused = plan.resources.filter(({ action }) => action === 'refused');
  return {
    source: plan.source,
    api: plan.api,
    created,
    changed,
    written,
    equal: countActions(plan.resources).equal,
    refused: refused.map(plannedDocument),
    failed: failed.map(({ planned, error: { code, message, hint } }) => ({
      ...identity(planned),
      error: { code, message, hint },
    })),
    notTried: notTried.map(identity),
    warnings: plan.warnings,
    notes: plan.notes,
  };
}
