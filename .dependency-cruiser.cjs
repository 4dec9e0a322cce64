// The import rules of docs/architecture.md, checked.
const oneHome = (pkg, home) => ({
  name: `one-home-${pkg.replaceAll(/\W/g, '-')}`,
  comment: `${pkg} is imported in ${home} only`,
  severity: 'error',
  from: { path: '^src/', pathNot: `^src/${home}` },
  to: { path: `node_modules/${pkg}/` },
})

const ROOMS = ['config', 'isales', 'session', 'proxy', 'obs', 'net', 'admin', 'simulator']
/** What a room may take from others. Types only, where the path is listed in `types`. */
const ALLOWED = {
  config: { values: [], types: [] },
  isales: { values: ['config/secret'], types: [] },
  session: { values: ['config/secret', 'isales/protocol'], types: [] },
  proxy: { values: [], types: ['session', 'config/secret', 'net/upstream', 'net/connections'] },
  obs: { values: ['config/secret'], types: ['session', 'proxy'] },
  net: { values: ['proxy/problem', 'config/secret'], types: ['isales/client'] },
  admin: { values: ['isales/protocol', 'session/events', 'proxy/problem'], types: ['session', 'config', 'isales'] },
  simulator: { values: [], types: [] },
}

const roomRules = ROOMS.flatMap((room) => {
  const others = ROOMS.filter((other) => other !== room)
  const list = (paths) => paths.map((path) => `^src/${path}`)
  return [
    {
      name: `room-${room}`,
      comment: `${room} takes values only from: ${ALLOWED[room].values.join(', ') || 'nobody'}`,
      severity: 'error',
      from: { path: `^src/${room}/` },
      to: {
        path: `^src/(${others.join('|')}|cli)/|^src/(app|main|program|code-cache)\\.ts`,
        pathNot: list(ALLOWED[room].values),
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: `room-${room}-types`,
      severity: 'error',
      from: { path: `^src/${room}/` },
      to: {
        path: `^src/(${others.join('|')}|cli)/|^src/(app|main|program|code-cache)\\.ts`,
        pathNot: list([...ALLOWED[room].values, ...ALLOWED[room].types]),
        dependencyTypes: ['type-only'],
      },
    },
  ]
})

const PURE = [
  'isales/protocol',
  'session/session',
  'session/renewal',
  'session/state',
  'session/outcome',
  'session/backoff',
  'session/rejection',
  'session/events',
  'proxy/headers',
  'proxy/intake',
  'proxy/attempts',
  'proxy/replay',
  'proxy/problem',
]

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    { name: 'no-orphans', severity: 'error', from: { orphan: true, path: '^src/', pathNot: '\\.d\\.ts$' }, to: {} },
    { name: 'not-to-dev-dep', severity: 'error', from: { path: '^src/' }, to: { dependencyTypes: ['npm-dev'] } },
    {
      name: 'pure-files',
      comment: 'Pure files import no Node module and no library: no clock, no random, no I/O',
      severity: 'error',
      from: { path: PURE.map((file) => `^src/${file}\\.ts$`) },
      to: { dependencyTypes: ['core', 'npm', 'npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    oneHome('undici', 'net/upstream'),
    oneHome('prom-client', 'admin/metrics'),
    oneHome('lru-cache', 'obs/tickets'),
    oneHome('@hono/node-server', 'net/listener'),
    oneHome('zod', 'config/'),
    ...roomRules,
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] },
  },
}
