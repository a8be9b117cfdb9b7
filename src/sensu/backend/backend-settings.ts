/**
 * How Sensu reads a setting (viper 1.7): `words` is a string flag that is read as a list, so it is split at white
 * space wherever it comes from; `list` is a list flag, which is split at commas on the command line only.
 */
export type Kind = 'string' | 'boolean' | 'words' | 'list';

export type Value<K extends Kind> = K extends 'boolean'
  ? boolean
  : K extends 'string'
    ? string
    : readonly string[];

interface Definition<K extends Kind> {
  readonly kind: K;
  readonly default: Value<K>;
}

const string = (value = ''): Definition<'string'> => ({ kind: 'string', default: value });
const boolean = (): Definition<'boolean'> => ({ kind: 'boolean', default: false });
const list = (...value: readonly string[]): Definition<'list'> => ({ kind: 'list', default: value });

/** Those settings of sensu-backend that have to do with its store and its API, with its defaults (6.7 to 6.12). */
export const definitions = {
  'no-embed-etcd': boolean(),
  'state-dir': string('/var/lib/sensu/sensu-backend'),
  'etcd-name': string('default'),
  'etcd-client-urls': { kind: 'words', default: [] } as Definition<'words'>,
  'etcd-advertise-client-urls': list('http://localhost:2379'),
  'etcd-listen-client-urls': list('http://127.0.0.1:2379'),
  'etcd-listen-peer-urls': list('http://127.0.0.1:2380'),
  'etcd-initial-cluster': string(),
  'etcd-trusted-ca-file': string(),
  'etcd-cert-file': string(),
  'etcd-key-file': string(),
  // Neither has a flag: the variables or the file set them, and both must be there to count.
  'etcd-client-username': string(),
  'etcd-client-password': string(),
  'api-listen-address': string('[::]:8080'),
  'api-url': string('http://localhost:8080'),
  'trusted-ca-file': string(),
} as const;

export type SettingName = keyof typeof definitions;

export type KindOf<Name extends SettingName> = (typeof definitions)[Name]['kind'];
