/**
 * The fields of Sensu's stored messages by number, as far as it takes to tell whether bytes are such a message:
 * core/v2 2.20 and core/v3 3.9, which is Sensu 6.12. Older releases have a subset; fields of newer ones are
 * passed over.
 */
export interface MessageShape {
  /** Numbers and booleans. */
  readonly varint?: readonly number[];
  /** Text and bytes. */
  readonly bytes?: readonly number[];
  /** Numbers of 8 bytes. */
  readonly double?: readonly number[];
  readonly messages?: Readonly<Record<number, MessageName>>;
}

export type MessageName = keyof typeof shapes;

const shapes = {
  APIKey: { varint: [3], bytes: [2, 4], messages: { 1: 'ObjectMeta' } },
  Asset: { bytes: [2, 3, 5], messages: { 6: 'AssetBuild', 8: 'ObjectMeta', 9: 'StringPair' } },
  AssetBuild: { bytes: [2, 3, 5], messages: { 9: 'StringPair' } },
  Check: {
    varint: [4, 5, 6, 9, 15, 18, 19, 21, 23, 25, 28, 29, 30, 31, 32, 39, 40, 42],
    bytes: [1, 3, 10, 11, 13, 17, 26, 27, 33, 35, 36, 37, 44, 45, 99],
    double: [22],
    messages: {
      14: 'HookList',
      16: 'TimeWindowWhen',
      20: 'ProxyRequests',
      24: 'CheckHistory',
      34: 'Hook',
      38: 'ObjectMeta',
      41: 'Secret',
      43: 'MetricTag',
      46: 'ResourceReference',
      47: 'MetricThreshold',
      48: 'TimeWindowRepeated',
    },
  },
  CheckConfig: {
    varint: [4, 5, 6, 9, 15, 18, 19, 21, 27, 28],
    bytes: [1, 3, 10, 11, 12, 13, 17, 22, 23, 24, 31],
    messages: {
      14: 'HookList',
      16: 'TimeWindowWhen',
      20: 'ProxyRequests',
      26: 'ObjectMeta',
      29: 'Secret',
      30: 'MetricTag',
      32: 'ResourceReference',
      33: 'MetricThreshold',
      34: 'TimeWindowRepeated',
    },
  },
  CheckHistory: { varint: [1, 2, 3] },
  ClusterRole: { messages: { 1: 'Rule', 3: 'ObjectMeta' } },
  ClusterRoleBinding: { messages: { 1: 'Subject', 2: 'RoleRef', 4: 'ObjectMeta' } },
  Deregistration: { bytes: [1] },
  Entity: {
    varint: [5, 6],
    bytes: [1, 4, 11, 12, 13, 15, 16],
    messages: { 3: 'System', 7: 'Deregistration', 14: 'ObjectMeta' },
  },
  EntityConfig: { varint: [5], bytes: [2, 3, 4, 7, 8], messages: { 1: 'ObjectMeta', 6: 'Deregistration' } },
  EntityState: { varint: [3], bytes: [4], messages: { 1: 'ObjectMeta', 2: 'System' } },
  Event: {
    varint: [1, 7],
    bytes: [6],
    messages: { 2: 'Entity', 3: 'Check', 4: 'Metrics', 5: 'ObjectMeta', 8: 'ResourceReference' },
  },
  EventFilter: { bytes: [2, 3, 8], messages: { 1: 'ObjectMeta', 6: 'TimeWindowWhen' } },
  Extension: { bytes: [2], messages: { 1: 'ObjectMeta' } },
  Handler: {
    varint: [5],
    bytes: [2, 3, 4, 7, 8, 9, 13],
    messages: { 1: 'ObjectMeta', 6: 'HandlerSocket', 14: 'Secret' },
  },
  HandlerSocket: { varint: [2], bytes: [1] },
  Hook: { varint: [3, 4, 6], bytes: [5], double: [2], messages: { 1: 'HookConfig' } },
  HookConfig: { varint: [3, 4], bytes: [2, 5], messages: { 1: 'ObjectMeta' } },
  HookList: { bytes: [1, 2] },
  KeepaliveRecord: { varint: [4], messages: { 1: 'ObjectMeta' } },
  MetricPoint: { varint: [3], bytes: [1], double: [2], messages: { 4: 'MetricTag' } },
  MetricTag: { bytes: [1, 2] },
  MetricThreshold: {
    varint: [4],
    bytes: [1],
    messages: { 2: 'MetricThresholdTag', 3: 'MetricThresholdRule' },
  },
  MetricThresholdRule: { varint: [3], bytes: [1, 2] },
  MetricThresholdTag: { bytes: [1, 2] },
  Metrics: { bytes: [1], messages: { 2: 'MetricPoint' } },
  Mutator: { varint: [3], bytes: [2, 4, 8, 10, 11], messages: { 1: 'ObjectMeta', 9: 'Secret' } },
  Namespace: { bytes: [1] },
  Network: { messages: { 1: 'NetworkInterface' } },
  NetworkInterface: { bytes: [1, 2, 3] },
  ObjectMeta: { bytes: [1, 2, 5], messages: { 3: 'StringPair', 4: 'StringPair' } },
  Pipeline: { messages: { 1: 'ObjectMeta', 2: 'PipelineWorkflow' } },
  PipelineWorkflow: {
    bytes: [1],
    messages: { 2: 'ResourceReference', 3: 'ResourceReference', 4: 'ResourceReference' },
  },
  Process: { bytes: [1] },
  ProxyRequests: { varint: [2, 3], bytes: [1] },
  ResourceReference: { bytes: [1, 2, 3] },
  Role: { messages: { 1: 'Rule', 4: 'ObjectMeta' } },
  RoleBinding: { messages: { 1: 'Subject', 2: 'RoleRef', 5: 'ObjectMeta' } },
  RoleRef: { bytes: [1, 2] },
  Rule: { bytes: [1, 2, 3] },
  Secret: { bytes: [1, 2] },
  Silenced: { varint: [2, 3, 10, 11], bytes: [4, 5, 6, 7], messages: { 1: 'ObjectMeta' } },
  StringPair: { bytes: [1, 2] },
  Subject: { bytes: [1, 2] },
  System: {
    varint: [8],
    bytes: [1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13],
    messages: { 6: 'Network', 14: 'Process' },
  },
  TessenConfig: { varint: [1] },
  TimeWindowDays: {
    messages: {
      1: 'TimeWindowTimeRange',
      2: 'TimeWindowTimeRange',
      3: 'TimeWindowTimeRange',
      4: 'TimeWindowTimeRange',
      5: 'TimeWindowTimeRange',
      6: 'TimeWindowTimeRange',
      7: 'TimeWindowTimeRange',
      8: 'TimeWindowTimeRange',
    },
  },
  TimeWindowRepeated: { bytes: [1, 2, 3] },
  TimeWindowTimeRange: { bytes: [1, 2] },
  TimeWindowWhen: { messages: { 1: 'TimeWindowDays' } },
  TypeMeta: { bytes: [1, 2] },
  User: { varint: [4], bytes: [1, 2, 3, 5] },
  Wrapper: { varint: [2, 3], bytes: [4], messages: { 1: 'TypeMeta' } },
} as const;

export interface FieldTable {
  /** By field number: the wire type that the field must have; `anyType` for a field that is not known. */
  readonly wireTypes: Uint8Array;
  readonly messages: Readonly<Record<number, MessageName>>;
}

export const anyType = 255;
/** Above the numbers of every field that is known. */
const fieldNumbers = 128;

const tables = new Map<MessageName, FieldTable>();

/** The shape as it is looked up for every field of a value. */
export function fieldTable(name: MessageName): FieldTable {
  let table = tables.get(name);
  if (table === undefined) {
    table = tableOf(shapes[name]);
    tables.set(name, table);
  }
  return table;
}

function tableOf({ varint = [], bytes = [], double = [], messages = {} }: MessageShape): FieldTable {
  const wireTypes = new Uint8Array(fieldNumbers).fill(anyType);
  for (const number of varint) wireTypes[number] = 0;
  for (const number of double) wireTypes[number] = 1;
  for (const number of [...bytes, ...Object.keys(messages).map(Number)]) wireTypes[number] = 2;
  return { wireTypes, messages };
}
