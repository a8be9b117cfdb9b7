/**
 * The fields of Sensu's stored messages: core/v2 2.20 and core/v3 3.9, which is Sensu 6.12. Older releases have a
 * subset; fields of newer ones are unknown here, and readers keep and list them. One field a row: its number on
 * the wire, its name in JSON, its type, and how JSON shows it.
 */
const rows = {
  APIKey: [
    [1, 'metadata', 'ObjectMeta'],
    [2, 'username', 'string', 'omitEmpty'],
    [3, 'created_at', 'int64', 'omitEmpty'],
    [4, 'hash', 'bytes', 'omitEmpty'],
  ],
  Asset: [
    [2, 'url', 'string', 'omitEmpty'],
    [3, 'sha512', 'string', 'omitEmpty'],
    [5, 'filters', 'string[]'],
    [6, 'builds', 'AssetBuild[]'],
    [8, 'metadata', 'ObjectMeta'],
    [9, 'headers', 'map'],
  ],
  AssetBuild: [
    [2, 'url', 'string', 'omitEmpty'],
    [3, 'sha512', 'string', 'omitEmpty'],
    [5, 'filters', 'string[]'],
    [9, 'headers', 'map'],
  ],
  Check: [
    [1, 'command', 'string', 'omitEmpty'],
    [3, 'handlers', 'string[]', 'emptyList'],
    [4, 'high_flap_threshold', 'uint32'],
    [5, 'interval', 'uint32'],
    [6, 'low_flap_threshold', 'uint32'],
    [9, 'publish', 'bool'],
    [10, 'runtime_assets', 'string[]'],
    [11, 'subscriptions', 'string[]', 'emptyList'],
    [13, 'proxy_entity_name', 'string'],
    [14, 'check_hooks', 'HookList[]'],
    [15, 'stdin', 'bool'],
    [16, 'subdue', 'TimeWindowWhen?'],
    [17, 'cron', 'string', 'omitEmpty'],
    [18, 'ttl', 'int64'],
    [19, 'timeout', 'uint32'],
    [20, 'proxy_requests', 'ProxyRequests?', 'omitEmpty'],
    [21, 'round_robin', 'bool'],
    [22, 'duration', 'double', 'omitEmpty'],
    [23, 'executed', 'int64'],
    [24, 'history', 'CheckHistory[]'],
    [25, 'issued', 'int64'],
    [26, 'output', 'string'],
    [27, 'state', 'string', 'omitEmpty'],
    [28, 'status', 'uint32'],
    [29, 'total_state_change', 'uint32'],
    [30, 'last_ok', 'int64'],
    [31, 'occurrences', 'int64'],
    [32, 'occurrences_watermark', 'int64'],
    [33, 'silenced', 'string[]', 'omitEmpty'],
    [34, 'hooks', 'Hook[]', 'omitEmpty'],
    [35, 'output_metric_format', 'string'],
    [36, 'output_metric_handlers', 'string[]'],
    [37, 'env_vars', 'string[]'],
    [38, 'metadata', 'ObjectMeta'],
    [39, 'max_output_size', 'int64', 'omitEmpty'],
    [40, 'discard_output', 'bool', 'omitEmpty'],
    [41, 'secrets', 'Secret[]'],
    [42, 'is_silenced', 'bool'],
    [43, 'output_metric_tags', 'MetricTag[]', 'omitEmpty'],
    [44, 'scheduler', 'string'],
    [45, 'processed_by', 'string', 'omitEmpty'],
    [46, 'pipelines', 'ResourceReference[]', 'emptyList'],
    [47, 'output_metric_thresholds', 'MetricThreshold[]', 'omitEmpty'],
    [48, 'subdues', 'TimeWindowRepeated[]', 'omitEmpty'],
    [99, 'extended_attributes', 'bytes', 'hidden'],
  ],
  CheckConfig: [
    [1, 'command', 'string', 'omitEmpty'],
    [3, 'handlers', 'string[]', 'emptyList'],
    [4, 'high_flap_threshold', 'uint32'],
    [5, 'interval', 'uint32'],
    [6, 'low_flap_threshold', 'uint32'],
    [9, 'publish', 'bool'],
    [10, 'runtime_assets', 'string[]'],
    [11, 'subscriptions', 'string[]', 'emptyList'],
    [12, 'extended_attributes', 'bytes', 'hidden'],
    [13, 'proxy_entity_name', 'string'],
    [14, 'check_hooks', 'HookList[]'],
    [15, 'stdin', 'bool'],
    [16, 'subdue', 'TimeWindowWhen?'],
    [17, 'cron', 'string', 'omitEmpty'],
    [18, 'ttl', 'int64'],
    [19, 'timeout', 'uint32'],
    [20, 'proxy_requests', 'ProxyRequests?', 'omitEmpty'],
    [21, 'round_robin', 'bool'],
    [22, 'output_metric_format', 'string'],
    [23, 'output_metric_handlers', 'string[]'],
    [24, 'env_vars', 'string[]'],
    [26, 'metadata', 'ObjectMeta'],
    [27, 'max_output_size', 'int64', 'omitEmpty'],
    [28, 'discard_output', 'bool', 'omitEmpty'],
    [29, 'secrets', 'Secret[]'],
    [30, 'output_metric_tags', 'MetricTag[]', 'omitEmpty'],
    [31, 'scheduler', 'string', 'hidden'],
    [32, 'pipelines', 'ResourceReference[]', 'emptyList'],
    [33, 'output_metric_thresholds', 'MetricThreshold[]', 'omitEmpty'],
    [34, 'subdues', 'TimeWindowRepeated[]', 'omitEmpty'],
  ],
  CheckHistory: [
    [1, 'status', 'uint32'],
    [2, 'executed', 'int64'],
    [3, 'flapping', 'bool', 'hidden'],
  ],
  ClusterRole: [
    [1, 'rules', 'Rule[]'],
    [3, 'metadata', 'ObjectMeta'],
  ],
  ClusterRoleBinding: [
    [1, 'subjects', 'Subject[]'],
    [2, 'role_ref', 'RoleRef'],
    [4, 'metadata', 'ObjectMeta'],
  ],
  Deregistration: [[1, 'handler', 'string', 'omitEmpty']],
  Entity: [
    [1, 'entity_class', 'string'],
    [3, 'system', 'System'],
    [4, 'subscriptions', 'string[]'],
    [5, 'last_seen', 'int64'],
    [6, 'deregister', 'bool'],
    [7, 'deregistration', 'Deregistration'],
    [11, 'user', 'string', 'omitEmpty'],
    [12, 'extended_attributes', 'bytes', 'hidden'],
    [13, 'redact', 'string[]', 'omitEmpty'],
    [14, 'metadata', 'ObjectMeta'],
    [15, 'sensu_agent_version', 'string'],
    [16, 'keepalive_handlers', 'string[]', 'omitEmpty'],
  ],
  EntityConfig: [
    [1, 'metadata', 'ObjectMeta?'],
    [2, 'entity_class', 'string'],
    [3, 'user', 'string', 'omitEmpty'],
    [4, 'subscriptions', 'string[]'],
    [5, 'deregister', 'bool'],
    [6, 'deregistration', 'Deregistration'],
    [7, 'keepalive_handlers', 'string[]', 'omitEmpty'],
    [8, 'redact', 'string[]', 'omitEmpty'],
  ],
  EntityState: [
    [1, 'metadata', 'ObjectMeta?'],
    [2, 'system', 'System'],
    [3, 'last_seen', 'int64'],
    [4, 'sensu_agent_version', 'string'],
  ],
  Event: [
    [1, 'timestamp', 'int64', 'omitEmpty'],
    [2, 'entity', 'Entity?', 'omitEmpty'],
    [3, 'check', 'Check?', 'omitEmpty'],
    [4, 'metrics', 'Metrics?', 'omitEmpty'],
    [5, 'metadata', 'ObjectMeta'],
    [6, 'id', 'uuid'],
    [7, 'sequence', 'int64'],
    [8, 'pipelines', 'ResourceReference[]'],
  ],
  EventFilter: [
    [1, 'metadata', 'ObjectMeta'],
    [2, 'action', 'string', 'omitEmpty'],
    [3, 'expressions', 'string[]'],
    [6, 'when', 'TimeWindowWhen?', 'omitEmpty'],
    [8, 'runtime_assets', 'string[]'],
  ],
  Extension: [
    [1, 'metadata', 'ObjectMeta'],
    [2, 'url', 'string', 'omitEmpty'],
  ],
  Handler: [
    [1, 'metadata', 'ObjectMeta'],
    [2, 'type', 'string', 'omitEmpty'],
    [3, 'mutator', 'string', 'omitEmpty'],
    [4, 'command', 'string', 'omitEmpty'],
    [5, 'timeout', 'uint32'],
    [6, 'socket', 'HandlerSocket?', 'omitEmpty'],
    [7, 'handlers', 'string[]'],
    [8, 'filters', 'string[]'],
    [9, 'env_vars', 'string[]'],
    [13, 'runtime_assets', 'string[]'],
    [14, 'secrets', 'Secret[]'],
  ],
  HandlerSocket: [
    [1, 'host', 'string', 'omitEmpty'],
    [2, 'port', 'uint32'],
  ],
  Hook: [
    [1, 'config', 'HookConfig', 'inlined'],
    [2, 'duration', 'double', 'omitEmpty'],
    [3, 'executed', 'int64'],
    [4, 'issued', 'int64'],
    [5, 'output', 'string', 'omitEmpty'],
    [6, 'status', 'int32'],
  ],
  HookConfig: [
    [1, 'metadata', 'ObjectMeta'],
    [2, 'command', 'string', 'omitEmpty'],
    [3, 'timeout', 'uint32'],
    [4, 'stdin', 'bool'],
    [5, 'runtime_assets', 'string[]'],
  ],
  HookList: [
    [1, 'hooks', 'string[]'],
    [2, 'type', 'string', 'omitEmpty'],
  ],
  KeepaliveRecord: [
    [1, 'metadata', 'ObjectMeta'],
    [4, 'time', 'int64'],
  ],
  MetricPoint: [
    [1, 'name', 'string', 'omitEmpty'],
    [2, 'value', 'double'],
    [3, 'timestamp', 'int64'],
    [4, 'tags', 'MetricTag[]'],
  ],
  MetricTag: [
    [1, 'name', 'string', 'omitEmpty'],
    [2, 'value', 'string', 'omitEmpty'],
  ],
  MetricThreshold: [
    [1, 'name', 'string'],
    [2, 'tags', 'MetricThresholdTag[]'],
    [3, 'thresholds', 'MetricThresholdRule[]'],
    [4, 'null_status', 'uint32'],
  ],
  MetricThresholdRule: [
    [1, 'min', 'string'],
    [2, 'max', 'string'],
    [3, 'status', 'uint32'],
  ],
  MetricThresholdTag: [
    [1, 'name', 'string'],
    [2, 'value', 'string'],
  ],
  Metrics: [
    [1, 'handlers', 'string[]'],
    [2, 'points', 'MetricPoint[]'],
  ],
  Mutator: [
    [1, 'metadata', 'ObjectMeta'],
    [2, 'command', 'string', 'omitEmpty'],
    [3, 'timeout', 'uint32'],
    [4, 'env_vars', 'string[]'],
    [8, 'runtime_assets', 'string[]'],
    [9, 'secrets', 'Secret[]'],
    [10, 'type', 'string', 'omitEmpty'],
    [11, 'eval', 'string', 'omitEmpty'],
  ],
  Namespace: [[1, 'name', 'string', 'omitEmpty']],
  Network: [[1, 'interfaces', 'NetworkInterface[]']],
  NetworkInterface: [
    [1, 'name', 'string', 'omitEmpty'],
    [2, 'mac', 'string', 'omitEmpty'],
    [3, 'addresses', 'string[]'],
  ],
  ObjectMeta: [
    [1, 'name', 'string', 'omitEmpty'],
    [2, 'namespace', 'string', 'omitEmpty'],
    [3, 'labels', 'map', 'omitEmpty'],
    [4, 'annotations', 'map', 'omitEmpty'],
    [5, 'created_by', 'string', 'omitEmpty'],
  ],
  Pipeline: [
    [1, 'metadata', 'ObjectMeta'],
    [2, 'workflows', 'PipelineWorkflow[]'],
  ],
  PipelineWorkflow: [
    [1, 'name', 'string'],
    [2, 'filters', 'ResourceReference[]', 'omitEmpty'],
    [3, 'mutator', 'ResourceReference?', 'omitEmpty'],
    [4, 'handler', 'ResourceReference?'],
  ],
  Process: [[1, 'name', 'string']],
  ProxyRequests: [
    [1, 'entity_attributes', 'string[]'],
    [2, 'splay', 'bool'],
    [3, 'splay_coverage', 'uint32'],
  ],
  ResourceReference: [
    [1, 'name', 'string'],
    [2, 'type', 'string'],
    [3, 'api_version', 'string'],
  ],
  Role: [
    [1, 'rules', 'Rule[]'],
    [4, 'metadata', 'ObjectMeta'],
  ],
  RoleBinding: [
    [1, 'subjects', 'Subject[]'],
    [2, 'role_ref', 'RoleRef'],
    [5, 'metadata', 'ObjectMeta'],
  ],
  RoleRef: [
    [1, 'type', 'string'],
    [2, 'name', 'string'],
  ],
  Rule: [
    [1, 'verbs', 'string[]'],
    [2, 'resources', 'string[]'],
    [3, 'resource_names', 'string[]'],
  ],
  Secret: [
    [1, 'name', 'string', 'omitEmpty'],
    [2, 'secret', 'string', 'omitEmpty'],
  ],
  Silenced: [
    [1, 'metadata', 'ObjectMeta'],
    [2, 'expire', 'int64'],
    [3, 'expire_on_resolve', 'bool'],
    [4, 'creator', 'string', 'omitEmpty'],
    [5, 'check', 'string', 'omitEmpty'],
    [6, 'reason', 'string', 'omitEmpty'],
    [7, 'subscription', 'string', 'omitEmpty'],
    [10, 'begin', 'int64'],
    [11, 'expire_at', 'int64'],
  ],
  Subject: [
    [1, 'type', 'string'],
    [2, 'name', 'string'],
  ],
  System: [
    [1, 'hostname', 'string', 'omitEmpty'],
    [2, 'os', 'string', 'omitEmpty'],
    [3, 'platform', 'string', 'omitEmpty'],
    [4, 'platform_family', 'string', 'omitEmpty'],
    [5, 'platform_version', 'string', 'omitEmpty'],
    [6, 'network', 'Network'],
    [7, 'arch', 'string', 'omitEmpty'],
    [8, 'arm_version', 'int32', 'omitEmpty'],
    [9, 'libc_type', 'string'],
    [10, 'vm_system', 'string'],
    [11, 'vm_role', 'string'],
    [12, 'cloud_provider', 'string'],
    [13, 'float_type', 'string', 'omitEmpty'],
    [14, 'processes', 'Process[]'],
  ],
  TessenConfig: [[1, 'opt_out', 'bool']],
  TimeWindowDays: [
    [1, 'all', 'TimeWindowTimeRange[]', 'omitEmpty'],
    [2, 'sunday', 'TimeWindowTimeRange[]', 'omitEmpty'],
    [3, 'monday', 'TimeWindowTimeRange[]', 'omitEmpty'],
    [4, 'tuesday', 'TimeWindowTimeRange[]', 'omitEmpty'],
    [5, 'wednesday', 'TimeWindowTimeRange[]', 'omitEmpty'],
    [6, 'thursday', 'TimeWindowTimeRange[]', 'omitEmpty'],
    [7, 'friday', 'TimeWindowTimeRange[]', 'omitEmpty'],
    [8, 'saturday', 'TimeWindowTimeRange[]', 'omitEmpty'],
  ],
  TimeWindowRepeated: [
    [1, 'begin', 'string'],
    [2, 'end', 'string'],
    [3, 'repeat', 'string[]'],
  ],
  TimeWindowTimeRange: [
    [1, 'begin', 'string'],
    [2, 'end', 'string'],
  ],
  TimeWindowWhen: [[1, 'days', 'TimeWindowDays']],
  TypeMeta: [
    [1, 'type', 'string'],
    [2, 'api_version', 'string'],
  ],
  User: [
    [1, 'username', 'string', 'omitEmpty'],
    [2, 'password', 'string', 'omitEmpty'],
    [3, 'groups', 'string[]', 'omitEmpty'],
    [4, 'disabled', 'bool'],
    [5, 'password_hash', 'string', 'omitEmpty'],
  ],
  StringPair: [
    [1, 'key', 'string'],
    [2, 'value', 'string'],
  ],
  Wrapper: [
    [1, 'type_meta', 'TypeMeta'],
    [2, 'encoding', 'int32'],
    [3, 'compression', 'int32'],
    [4, 'value', 'bytes'],
  ],
} as const;

export type MessageName = keyof typeof rows;

/** `bytes` are base64 in JSON; a `uuid` is bytes on the wire that JSON shows as people write them. */
type Scalar = 'string' | 'bytes' | 'uuid' | 'bool' | 'int32' | 'uint32' | 'int64' | 'double';

/** `[]` repeats; `?` is a message that may be absent, which JSON writes as null; `map` is of text to text. */
type FieldType = Scalar | MessageName | `${'string' | MessageName}[]` | `${MessageName}?` | 'map';

/**
 * How JSON shows a field. Without a word: always, its zero value or null where it is absent.
 * `omitEmpty`: not when it is absent or zero. `emptyList`: as `[]` where others are null.
 * `hidden`: never, so no dump of the API has it. `inlined`: its fields stand among those of the message.
 */
type Shown = 'omitEmpty' | 'emptyList' | 'hidden' | 'inlined';

type Row = readonly [number: number, name: string, type: FieldType, shown?: Shown];

export interface Field {
  readonly number: number;
  /** In JSON. */
  readonly name: string;
  readonly kind: Scalar | 'message' | 'map';
  /** Of the kind `message`. */
  readonly message: MessageName | undefined;
  readonly repeated: boolean;
  /** A message that JSON shows as null where it is absent; one that is not optional is shown empty. */
  readonly optional: boolean;
  readonly shown: Shown | undefined;
  /** 0 for numbers, 1 for doubles, 2 for everything with a length. */
  readonly wireType: number;
  /** Its place in the order of names, which is that of `Message.fields`. */
  readonly slot: number;
}

export interface Message {
  readonly name: MessageName;
  /** In the order of their names, as Go writes maps and sensuctl its documents. */
  readonly fields: readonly Field[];
  readonly byNumber: readonly (Field | undefined)[];
  readonly byName: ReadonlyMap<string, Field>;
}

const compiled = new Map<MessageName, Message>();

export function messageNamed(name: MessageName): Message {
  let message = compiled.get(name);
  if (message === undefined) {
    message = compile(name, rows[name]);
    compiled.set(name, message);
  }
  return message;
}

export const messageNames = Object.keys(rows) as readonly MessageName[];

function compile(name: MessageName, list: readonly Row[]): Message {
  const sorted = [...list].sort(([, a], [, b]) => (a < b ? -1 : 1));
  const fields = sorted.map(fieldOf);
  const byNumber: (Field | undefined)[] = new Array<undefined>(
    Math.max(...fields.map(({ number }) => number)) + 1,
  ).fill(undefined);
  for (const field of fields) byNumber[field.number] = field;
  return { name, fields, byNumber, byName: new Map(fields.map((field) => [field.name, field])) };
}

const scalars: ReadonlySet<string> = new Set<Scalar>([
  ...(['string', 'bytes', 'uuid', 'bool', 'int32', 'uint32', 'int64', 'double'] as const),
]);

function fieldOf([number, name, type, shown]: Row, slot: number): Field {
  const repeated = type.endsWith('[]');
  const optional = type.endsWith('?');
  const base = type.replace(/\[\]$|\?$/, '');
  const plain = base === 'map' || scalars.has(base);
  const kind = plain ? (base as Scalar | 'map') : 'message';
  const message = plain ? undefined : (base as MessageName);
  return { number, name, kind, message, repeated, optional, shown, wireType: wireTypeOf(kind), slot };
}

function wireTypeOf(kind: Field['kind']): number {
  if (kind === 'double') return 1;
  return kind === 'bool' || kind === 'int32' || kind === 'uint32' || kind === 'int64' ? 0 : 2;
}
