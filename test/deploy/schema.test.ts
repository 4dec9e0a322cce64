import { expect, it } from 'vitest'
import { SETTING_LIST, type Setting } from '../../src/config/settings.ts'
import { ciValues, render, standalone, template } from './support/chart.ts'

/** Values that are wrong for a format. */
const WRONG: Readonly<Record<string, readonly [unknown, unknown, unknown]>> = {
  address: ['8080', '127.0.0.1', 'unix:'],
  choice: ['none of them', '', 1],
  count: ['many', '1.5', -1],
  duration: ['soon', '1h30m', -1],
  file: ['relative.pem', './relative.pem', 7],
  'host-names': ['two words', 'https://host', 'host/path'],
  hosts: ['user@host', '"host"', 7],
  origin: ['isales.example', 'ftp://isales.example', 'https://isales.example/path'],
  path: ['relative', '/with?query', '/with%20escape'],
  paths: ['relative', '/with?query', '/with%20escape'],
  'proxy-url': ['http://u:p@egress', 'http://egress/path', 'http://two words'],
  rejections: ['500', 'forbidden', 500],
  'server-name': ['two words', 'https://host', 'host:443'],
  size: ['big', '64KB', -1],
  'store-url': ['valkeys://u:p@store', 'https://store', 'store:6379'],
  'token-header': ['Authorization', 'Two Words: {token}', 'Authorization: Bearer token'],
  user: ['two\nlines', 'x'.repeat(300), ['a list']],
}
const typeOf = ({ kind }: Setting): string => kind
const SETTINGS = SETTING_LIST.filter(({ kind }) => kind !== 'secret')
const LIMITED = SETTINGS.flatMap((one) =>
  one.range === undefined
    ? []
    : [{ ...one, min: Number(one.parse(one.range.min)), max: Number(one.parse(one.range.max)) }],
)

const from = (value: (setting: Setting) => unknown) =>
  Object.fromEntries(SETTINGS.map((one) => [one.name, value(one)]))

/** What both helms say of these settings. */
const complaints = async (settings: Readonly<Record<string, unknown>>) =>
  (await template(standalone({ settings }))).map(({ code, stderr }) => {
    expect(code).not.toBe(0)
    return stderr
  })

it.each([
  ['it is in a file', true],
  ['it is not', false],
])(
  'the chart takes the example of each setting that may be in a file, where %s',
  async (...row) => {
    const [, inFiles] = row
    const settings = {
      ...from((one) => (inFiles && one.fileName ? undefined : (one.default ?? one.example))),
      ...Object.fromEntries(
        SETTING_LIST.flatMap(({ fileName, name }) =>
          fileName && (inFiles || !SETTINGS.some((one) => one.name === name))
            ? [[fileName, '/run/isales/file']]
            : [],
        ),
      ),
      // The example is for a machine of its own: kubelet does not reach the loopback of a pod.
      ADMIN_LISTEN: ':9191',
      LISTEN: '127.0.0.1:8081',
    }
    // The mode that takes all of them, whatever they are.
    expect(await render({ ...ciValues('injection'), settings })).not.toEqual([])
  },
)

it.each([0, 1, 2] as const)(
  'the chart refuses wrong values of each setting, by name: row %i',
  async (row) => {
    const settings = from((one) => WRONG[typeOf(one)]?.[row])
    expect(Object.values(settings)).not.toContain(undefined)
    for (const said of await complaints(settings))
      expect(Object.keys(settings).filter((name) => !said.includes(name))).toEqual([])
  },
)

it('the chart refuses a number that is out of the limits of its setting, and says them', async () => {
  const ends = (pick: (one: (typeof LIMITED)[number]) => number) =>
    LIMITED.map((one) => [one.name, pick(one), typeOf(one) === 'duration' ? 'ms' : ''] as const)
  const beyond = ends(({ max }) => max + 1)
  const below = ends(({ min }) => min - 1)
  for (const values of [beyond, below.filter(([, number]) => number >= 0)]) {
    const settings = Object.fromEntries(values.map(([name, number, unit]) => [name, number + unit]))
    for (const said of await complaints(settings))
      for (const [name, text] of Object.entries(settings))
        expect(said).toMatch(new RegExp(`settings\\.${name} is ${text}: it has to be \\d`))
  }
})

it('the chart refuses a field that Kubernetes does not know, wherever it takes objects of Kubernetes', async () => {
  const wrong = [{ wrongField: 1 }]
  const [one] = wrong
  const networkPolicy = Object.fromEntries(
    ['prometheus', 'clients', 'isales', 'store', 'extraIngress', 'extraEgress'].map((name) => [
      name,
      wrong,
    ]),
  )
  const values = {
    containerSecurityContext: one,
    extraEnv: [{ name: 'A', ...one }],
    extraVolumeMounts: [{ name: 'a', mountPath: '/a', ...one }],
    extraVolumes: [{ name: 'a', emptyDir: one }],
    global: { imagePullSecrets: wrong },
    imagePullSecrets: wrong,
    livenessProbe: one,
    networkPolicy: { ...networkPolicy, podSelector: one },
    podMonitor: { selector: one, relabelings: wrong },
    podSecurityContext: one,
    readinessProbe: one,
    resources: one,
    serviceMonitor: { relabelings: wrong },
    standalone: {
      affinity: { nodeAffinity: one },
      dnsConfig: one,
      hostAliases: [{ ip: '192.0.2.1', ...one }],
      tolerations: wrong,
      topologySpreadConstraints: [
        { maxSkew: 1, topologyKey: 'a', whenUnsatisfiable: 'DoNotSchedule', ...one },
      ],
    },
    startupProbe: one,
  }
  const paths = Object.entries(values).flatMap(([name, value]) =>
    /^(global|networkPolicy|podMonitor|serviceMonitor|standalone)$/.test(name)
      ? Object.keys(value as object).map((inner) => [name, inner])
      : [[name]],
  )
  for (const { code, stderr } of await template(standalone(values))) {
    expect(code).not.toBe(0)
    for (const path of paths)
      expect(stderr).toMatch(new RegExp(`${path.join('[./]')}\\b.*wrongField`))
  }
  const quantity = { resources: { limits: { memory: 'lots' } } }
  for (const { stderr } of await template(standalone(quantity))) expect(stderr).toContain('memory')
})
