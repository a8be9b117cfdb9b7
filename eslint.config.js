import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** Each layer may import itself and the layers named beside it; CONTRIBUTING.md describes them. */
const layers = {
  core: [],
  protobuf: [],
  store: ['core'],
  storage: ['core'],
  host: ['core'],
  age: ['core'],
  'etcd-files': ['core', 'protobuf', 'store', 'host'],
  etcd: ['core', 'protobuf', 'store', 'host', 'etcd-files'],
  sensu: ['core', 'protobuf', 'store', 'host'],
  'at-rest': ['core', 'protobuf', 'store', 'etcd-files', 'etcd', 'sensu'],
  copy: ['core', 'store', 'etcd', 'sensu', 'at-rest'],
  rbac: ['core', 'store', 'etcd'],
  snapshot: ['core', 'protobuf', 'store', 'storage', 'host', 'age', 'etcd-files', 'etcd', 'sensu', 'at-rest'],
  dump: ['core', 'protobuf', 'store', 'age', 'sensu', 'snapshot'],
  restore: ['core', 'store', 'etcd', 'sensu', 'at-rest', 'copy', 'snapshot', 'dump'],
  migrate: [
    ...[
      'core',
      'protobuf',
      'store',
      'storage',
      'host',
      'etcd-files',
      'etcd',
      'sensu',
      'at-rest',
      'copy',
      'rbac',
    ],
    ...['snapshot', 'dump', 'restore'],
  ],
};

const everyLayer = [...Object.keys(layers), 'cli', 'demo'];

/** Packages that one layer alone may import. */
const owners = {
  etcd3: ['etcd'],
  execa: ['host', 'sensu'],
  commander: ['cli'],
  'js-yaml': ['dump'],
  ora: ['cli'],
};

function layerRule(layer, allowed) {
  const forbidden = everyLayer.filter((other) => other !== layer && !allowed.includes(other));
  const foreignPackages = Object.entries(owners)
    .filter(([, users]) => !users.includes(layer))
    .map(([name, users]) => ({ name, message: `Only src/${users.join('/ and src/')}/ may import ${name}.` }));
  return {
    files: [`src/${layer}/**/*.ts`],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: foreignPackages,
          patterns: forbidden.map((other) => ({
            regex: `^(\\.\\./)+${other}/`,
            message: `src/${layer}/ does not import src/${other}/: see the rooms in CONTRIBUTING.md.`,
          })),
        },
      ],
      // The demo has a program of its own: the double of sensu-backend.
      ...(layer === 'cli' || layer === 'demo'
        ? {}
        : {
            'no-console': 'error',
            'no-restricted-properties': [
              'error',
              { object: 'process', property: 'env', message: 'Take the environment from the context.' },
              { object: 'process', property: 'exit', message: 'Throw a FerryError; only cli/ exits.' },
            ],
          }),
    },
  };
}

export default tseslint.config(
  { ignores: ['dist', 'dist.*', '.cache', 'node_modules', 'fixtures'] },
  js.configs.recommended,
  {
    files: ['**/*.js'],
    languageOptions: {
      globals: { process: 'readonly', console: 'readonly', URL: 'readonly', AbortController: 'readonly' },
    },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      'no-restricted-syntax': [
        'error',
        { selector: 'TSEnumDeclaration', message: 'Use a union or a const object.' },
        { selector: 'CallExpression[callee.property.name="todo"]', message: 'Write the test.' },
      ],
    },
  },
  ...Object.entries(layers).map(([layer, allowed]) => layerRule(layer, allowed)),
  layerRule('cli', everyLayer),
  layerRule(
    'demo',
    everyLayer.filter((layer) => layer !== 'cli'),
  ),
);
