// The import rules of docs/dev/architecture.md. `npm run check:architecture` checks them.

const { existsSync, readdirSync } = require('node:fs')

/** Modules of `src/` in layers. A module imports from the layers below its own, and from itself. */
const LAYERS = [
  ['main.ts'],
  ['cli/'],
  ['server.ts'],
  ['telemetry.ts'],
  ['client-auth/', 'admin/', 'proxy/', 'listener/', 'sharing/'],
  ['token/'],
  ['upstream/'],
  ['log/'],
  ['request-summary.ts'],
  ['hono-adapter.ts', 'problem.ts'],
  ['config/'],
  ['messages/'],
  ['codes.ts'],
  ['causes.ts', 'clock.ts', 'json.ts', 'memoized.ts', 'terminal.ts'],
]

const escape = (path) => path.replaceAll('.', '\\.')
const anyOf = (modules) => `^src/(?:${modules.map(escape).join('|')})`

const layerRules = LAYERS.flatMap((layer, index) =>
  layer.map((module) => ({ above: [...LAYERS.slice(0, index).flat(), ...layer].filter((other) => other !== module), module })),
).filter(({ above }) => above.length > 0).map(({ module, above }) => ({
    name: `layer-${module.replaceAll(/\W/g, '')}`,
    comment: 'Imports go down the list of layers, and never to a neighbour',
    severity: 'error',
    from: { path: anyOf([module]) },
    to: { path: anyOf(above), pathNot: '^src/sharing/index\\.ts$' },
  }))

/** Files that only decide: no I/O, no clock, no random number. */
const PURE = ['codes', 'request-summary', 'admin/diagnosis', 'admin/accounting', 'messages/explain', 'messages/messages', 'token/isales-client', 'token/lifecycle', 'token/snapshot', 'token/rejection-tracker', 'token/account', 'token/login-guard', 'token/token', 'proxy/headers', 'proxy/validate', 'proxy/retry']
for (const file of PURE) if (!existsSync(`src/${file}.ts`)) throw new Error(`There is no src/${file}.ts`)

/** Folders with an entry; other folders must not import past it. */
const ENTRIES = readdirSync('src').filter((folder) => existsSync(`src/${folder}/index.ts`))

const entryRules = ENTRIES.map((folder) => ({
  name: `entry-${folder}`,
  comment: `Others import src/${folder}/index.ts and nothing past it`,
  severity: 'error',
  from: { path: '^src/', pathNot: `^src/${folder}/` },
  to: { path: `^src/${folder}/`, pathNot: `^src/${folder}/index\\.ts$` },
}))

const oneHome = (pkg, home) => ({
  name: `one-home-${pkg.replaceAll(/\W/g, '-')}`,
  comment: `${pkg} is imported in ${home} only`,
  severity: 'error',
  from: { path: '^src/', pathNot: `^src/${home}` },
  to: { path: `node_modules/${pkg}/` },
})

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-orphans', severity: 'error', from: { orphan: true, path: '^(src|simulator|demo)/', pathNot: '\\.d\\.ts$' }, to: {} },
    { name: 'not-to-dev-dep', severity: 'error', from: { path: '^src/' }, to: { dependencyTypes: ['npm-dev'] } },
    { name: 'product-alone', comment: 'The product needs nothing beside src/', severity: 'error', from: { path: '^src/' }, to: { path: '^(simulator|demo|test|scripts|bench)/' } },
    { name: 'simulator-alone', comment: 'The simulator does not know the product', severity: 'error', from: { path: '^simulator/' }, to: { path: '^(src|demo|test|scripts|bench)/' } },
    {
      name: 'pure-files',
      comment: 'Pure files import no Node module and no library',
      severity: 'error',
      from: { path: PURE.map((file) => `^src/${file}\\.ts$`) },
      to: { dependencyTypes: ['core', 'npm', 'npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    oneHome('undici', 'upstream/'),
    oneHome('prom-client', 'admin/metrics'),
    oneHome('marked', 'admin/documents'),
    oneHome('ioredis', 'sharing/(?:valkey|ioredis-workarounds)'),
    {
      name: 'ioredis-on-demand',
      comment: 'ioredis is loaded only if a store is configured',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: 'node_modules/ioredis/', dynamic: false, dependencyTypesNot: ['type-only'] },
    },
    oneHome('lru-cache', 'client-auth/'),
    oneHome('@hono/node-server', 'hono-adapter'),
    oneHome('pino', 'log/'),
    ...layerRules,
    ...entryRules,
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^bench/node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] },
  },
}
