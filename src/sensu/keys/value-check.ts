import type { ProtoReader } from '../../protobuf/proto-reader.js';
import type { KeyClass } from './key-space.js';
import { MalformedValueError } from '../../protobuf/protobuf.js';
import { messageNamed, type Field, type MessageName } from '../resources/messages.js';
import { readerOf, unwrap } from '../resources/wrapper.js';
import { decodeApiKey, decodeTypeMeta, decodeUser, isJson } from './values.js';

/** What a value says it is the value of. */
interface Named {
  readonly name: string;
  readonly namespace: string;
}

type Check = (value: Buffer, key: KeyClass) => void;

/** By group. Of ephemeral keys and those of unknown kinds nothing is asked: Sensu makes the former anew. */
const checks: Readonly<Record<string, Check>> = {
  '/sensu.io/namespaces/': message('Namespace'),
  '/sensu.io/assets/': message('Asset'),
  '/sensu.io/checks/': message('CheckConfig'),
  '/sensu.io/event-filters/': message('EventFilter'),
  '/sensu.io/handlers/': message('Handler'),
  '/sensu.io/hooks/': message('HookConfig'),
  '/sensu.io/mutators/': message('Mutator'),
  '/sensu.io/pipelines/': message('Pipeline'),
  '/sensu.io/silenced/': message('Silenced'),
  '/sensu.io/entities/': message('Entity'),
  '/sensu.io/extensions/': message('Extension'),
  '/sensu.io/rbac/roles/': message('Role'),
  '/sensu.io/rbac/rolebindings/': message('RoleBinding'),
  '/sensu.io/rbac/clusterroles/': message('ClusterRole'),
  '/sensu.io/rbac/clusterrolebindings/': message('ClusterRoleBinding'),
  '/sensu.io/events/': message('Event'),
  '/sensu.io/keepalives/': message('KeepaliveRecord'),
  '/sensu.io/tessen': message('TessenConfig'),
  '/sensu.io/entity_configs/': wrapped('EntityConfig'),
  '/sensu.io/entity_states/': wrapped('EntityState'),
  '/sensu.io/resource_templates/': wrapped(undefined),
  '/sensu.io/users/': (value, key) => {
    expectName(key, { name: decodeUser(value).username, namespace: '' });
    if (!isJson(value)) readNamed(value, 'User');
  },
  '/sensu.io/apikeys/': (value, key) => {
    decodeApiKey(value);
    if (!isJson(value)) expectName(key, readNamed(value, 'APIKey'));
  },
  '/sensu.io/cluster_id': text(/^[\x21-\x7e]+$/),
  '/sensu.io/.initialized': text(/^\d+$/),
  '/sensu.io/sensu_database_version': text(/^\d{1,20}$/),
  '/sensu.io/sensu_enterprise_database_version': text(/^\d{1,20}$/),
};

const enterprise = '/sensu.io/api/enterprise/';

/**
 * Tells whether a value is what Sensu keeps under such a key: readable to its end in the encoding that it is in,
 * and of the resource that the key names. The error says nothing of what is in it.
 * @throws MalformedValueError
 */
export function checkValue(key: KeyClass, value: Buffer): void {
  const check = checks[key.group];
  if (check !== undefined) check(value, key);
  else if (key.group.startsWith(enterprise)) decodeTypeMeta(value);
}

function message(name: MessageName): Check {
  return (value, key) => {
    if (isJson(value)) checkJson(value);
    else expectName(key, readNamed(value, name));
  };
}

/** A resource in `wrap.Wrapper`. */
function wrapped(name: MessageName | undefined): Check {
  return (value, key) => {
    if (isJson(value)) {
      checkJson(value);
      return;
    }
    const { encoding, bytes } = unwrap(value);
    if (encoding === 'json') checkJson(bytes);
    else if (name !== undefined) expectName(key, readNamed(bytes, name));
  };
}

function text(form: RegExp): Check {
  return (value) => {
    if (!form.test(value.toString('latin1'))) {
      throw new MalformedValueError('The value is not the text that Sensu keeps there.');
    }
  };
}

function checkJson(value: Buffer): void {
  try {
    JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(value));
  } catch {
    // The parser's error quotes the value.
    throw new MalformedValueError('The value is broken JSON.');
  }
}

/** Reads a message to its end, and returns what it calls itself. */
function readNamed(value: Buffer, name: MessageName): Named {
  const found = new Map<MessageName, Named>();
  const reader = readerOf(value);
  readFields(reader, name, found);
  // An event has no name of its own.
  if (name === 'Event') {
    const entity = found.get('Entity');
    const check = found.get('Check');
    if (entity === undefined || check === undefined) return { name: '', namespace: entity?.namespace ?? '' };
    return { name: `${entity.name}/${check.name}`, namespace: entity.namespace };
  }
  return found.get(name) ?? { name: '', namespace: '' };
}

function readMessage(parent: ProtoReader, name: MessageName, found: Map<MessageName, Named>): Named {
  parent.lengthDelimited();
  return readFields(parent.nested(), name, found);
}

function readFields(reader: ProtoReader, name: MessageName, found: Map<MessageName, Named>): Named {
  const { byNumber } = messageNamed(name);
  const own = { name: '', namespace: '' };
  for (let number = reader.field(); number !== 0; number = reader.field()) {
    const field = byNumber[number];
    if (field !== undefined && reader.wireType !== field.wireType) {
      throw reader.malformed('has a field of the wrong type');
    }
    const nested = nestedIn(field);
    if (nested !== undefined) {
      const inner = readMessage(reader, nested, found);
      if (nested === 'ObjectMeta') found.set(name, inner);
    } else if (name === 'ObjectMeta' && number === 1) own.name = reader.string();
    else if (name === 'ObjectMeta' && number === 2) own.namespace = reader.string();
    else reader.skip();
  }
  return own;
}

function nestedIn(field: Field | undefined): MessageName | undefined {
  return field?.kind === 'map' ? 'StringPair' : field?.message;
}

/** A value that lies under another resource's key was written over, or moved. Some values name nothing. */
function expectName(key: KeyClass, { name, namespace }: Named): void {
  if (name !== '' && name !== key.name) {
    throw new MalformedValueError('The value is that of another resource than its key names.');
  }
  if (namespace !== '' && key.namespace !== undefined && namespace !== key.namespace) {
    throw new MalformedValueError('The value is of another namespace than its key names.');
  }
}
