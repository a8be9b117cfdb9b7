import { decodeOptions, decodePermission, type StoredPermission } from '../mvcc/auth-records.js';
import type { ProtoReader } from '../../protobuf/proto-reader.js';

/** A request that changes etcd's users and roles. Names are latin1 of their bytes. */
export type AuthRequest =
  | { readonly change: 'enable' }
  | { readonly change: 'disable' }
  | {
      readonly change: 'user-add';
      readonly name: string;
      readonly secret: GivenPassword;
      readonly noPassword: boolean;
    }
  | { readonly change: 'user-delete'; readonly name: string }
  | { readonly change: 'user-password'; readonly name: string; readonly secret: GivenPassword }
  | { readonly change: 'user-grant' | 'user-revoke'; readonly name: string; readonly role: string }
  | { readonly change: 'role-add' | 'role-delete'; readonly name: string }
  | {
      readonly change: 'role-grant';
      readonly name: string;
      readonly permission: StoredPermission | undefined;
    }
  | { readonly change: 'role-revoke'; readonly name: string; readonly key: Buffer; readonly end: Buffer };

/** Up to 3.5 the log has the password itself, which each member hashes; later releases log its hash, in base64. */
export interface GivenPassword {
  readonly plain: Buffer;
  readonly hashed: string;
}

const empty = Buffer.alloc(0);

/** The body of a field of `etcdserverpb.InternalRaftRequest`; undefined for one that changes neither user nor role. */
export function decodeAuthRequest(field: number, body: ProtoReader): AuthRequest | undefined {
  switch (field) {
    case 1000:
      return { change: 'enable' };
    case 1011:
      return { change: 'disable' };
    case 1100:
      return decodeUserAdd(body);
    case 1101:
      return { change: 'user-delete', name: text(fieldsOf(body), 1) };
    case 1103: {
      const fields = fieldsOf(body);
      return { change: 'user-password', name: text(fields, 1), secret: secretOf(fields, 3) };
    }
    case 1104:
    case 1105: {
      const fields = fieldsOf(body);
      const change = field === 1104 ? 'user-grant' : 'user-revoke';
      return { change, name: text(fields, 1), role: text(fields, 2) };
    }
    case 1200:
    case 1201:
      return { change: field === 1200 ? 'role-add' : 'role-delete', name: text(fieldsOf(body), 1) };
    case 1203:
      return decodeGrant(body);
    case 1204: {
      const fields = fieldsOf(body);
      return {
        change: 'role-revoke',
        name: text(fields, 1),
        key: fields.get(2) ?? empty,
        end: fields.get(3) ?? empty,
      };
    }
    default:
      return undefined;
  }
}

/** Fields that are strings, bytes or messages. */
function fieldsOf(body: ProtoReader): Map<number, Buffer> {
  const fields = new Map<number, Buffer>();
  for (let field = body.field(); field !== 0; field = body.field()) {
    if (body.wireType === 2) fields.set(field, Buffer.from(body.view()));
    else body.skip();
  }
  return fields;
}

function text(fields: ReadonlyMap<number, Buffer>, field: number): string {
  return fields.get(field)?.toString('latin1') ?? '';
}

function secretOf(fields: ReadonlyMap<number, Buffer>, hashedField: number): GivenPassword {
  return { plain: fields.get(2) ?? empty, hashed: text(fields, hashedField) };
}

function decodeUserAdd(body: ProtoReader): AuthRequest {
  const fields = new Map<number, Buffer>();
  let noPassword = false;
  for (let field = body.field(); field !== 0; field = body.field()) {
    if (field === 3) {
      body.lengthDelimited();
      noPassword = decodeOptions(body.nested());
    } else if (body.wireType === 2) fields.set(field, Buffer.from(body.view()));
    else body.skip();
  }
  return { change: 'user-add', name: text(fields, 1), secret: secretOf(fields, 4), noPassword };
}

function decodeGrant(body: ProtoReader): AuthRequest {
  let name = '';
  let permission: StoredPermission | undefined;
  for (let field = body.field(); field !== 0; field = body.field()) {
    if (field === 1) name = body.view().toString('latin1');
    else if (field === 2) {
      body.lengthDelimited();
      permission = decodePermission(body.nested());
    } else body.skip();
  }
  return { change: 'role-grant', name, permission };
}
