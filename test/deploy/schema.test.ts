import { expect, it } from 'vitest'
import { SETTING_LIST, type Setting } from '../../src/config/settings.ts'
import { en } from '../../src/words/index.ts'
import { ciValues, render, standalone, template } from './support/chart.ts'

/** Values that are wrong for a type. */
const WRONG: Readonly<Record<string, readonly [unknown, unknown, unknown]>> = {
  NO_PROXY: ['user@host', '"host"', 7],
  address: ['8080', '127.0.0.1', 'unix:'],
  'auth scheme': ['Bearer token', 'Bearer:', 7],
  boolean: ['yes', 1, 'TRUE'],
  choice: ['none of them', '', 1],
  count: ['many', '1.5', -1],
  duration: ['soon', '1h30m', -1],
  'file path': ['relative.pem', './relative.pem', 7],
  'header name': ['Two Words', 'Colon:', 'Cr\r'],
  host: ['two words', 'https://host', 'host/path'],
  'host name': ['two words', 'https://host', 'host:443'],
  'off, full or a share': ['all', '2', -0.5],
  origin: ['isales.example', 'ftp://isales.example', 'https://isales.example/path'],
  path: ['relative', '/with?query', '/with%20escape'],
  'proxy URL': ['http://u:p@egress', 'http://egress/path', 'http://two words'],
  ratio: ['abc', '80%', 1.5],
  size: ['big', '64KB', -1],
  'status code': ['500', 'forbidden', 500],
  'store URL': ['valkeys://u:p@store', 'https://store', 'store:6379'],
  text: ['two\nlines', 'x'.repeat(300), ['a list']],
}
const typeOf = (setting: Setting): string => {
  const type = setting.type(en.settings)
  return /^list of (.*)s$/.exec(type)?.[1] ?? type.replace(/ or off$/, '')
}
const SETTINGS = SETTING_LIST.filter((one) => one.type(en.settings) !== 'secret')
const LIMITED = SETTINGS.flatMap(({ range, ...one }) =>
  range === undefined ? [] : [{ ...one, ...range }],
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
      ...from(({ example, fileName }) => (inFiles && fileName ? undefined : example)),
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
    const settings = from((one) => (WRONG[one.name] ?? WRONG[typeOf(one)])?.[row])
    expect(Object.values(settings)).not.toContain(undefined)
    for (const said of await complaints(settings))
      expect(Object.keys(settings).filter((name) => !said.includes(name))).toEqual([])
  },
)

it('the chart refuses a number that is out of the limits of its setting, and says them', async () => {
  const ends = (pick: (one: (typeof LIMITED)[number]) => number) =>
    LIMITED.map((one) => [one.name, pick(one), typeOf(one) === 'duration' ? 'ms' : ''] as const)
  const beyond = ends(({ max }) => max + 1)
  const below = ends((one) => (typeOf(one) === 'ratio' ? one.min / 2 : one.min - 1))
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
