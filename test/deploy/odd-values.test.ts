// Odd values at every path of values.yaml, with generated cases, and texts and numbers that some settings refuse.
import { Ajv } from 'ajv'
import { expect, it } from 'vitest'
import { SETTING_LIST } from '../../src/config/settings.ts'
import { admit, type Pod } from './support/admission.ts'
import { ciValues, NAME, standalone, template } from './support/chart.ts'
import { renderMany, type Made } from './support/many.ts'
import { ofKind, parseManifests } from './support/manifests.ts'
import { DEFAULTS, PATHS, SCHEMA, withValue } from './support/values.ts'

const SETTINGS = SETTING_LIST.filter(({ kind }) => kind !== 'secret')

/** Paths within values that are lists or maps. */
// oxfmt-ignore
const DEEPER = [
  'global.imagePullSecrets.0', 'imagePullSecrets.0', 'imagePullSecrets.0.name', 'extraEnv.0', 'extraEnv.0.name',
  'injection.namespaces.0', 'commonLabels.label', 'podMonitor.labels.label',
  'prometheusRule.labels.label', 'prometheusRule.additionalLabels.label', 'dashboard.labels.label',
  'standalone.service.hosts.0', 'standalone.service.loadBalancerSourceRanges.0', 'standalone.service.annotations.note',
  'standalone.podAnnotations.note', 'standalone.nodeSelector.label', 'prometheusRule.alerts.IsalesProxyDown',
  'prometheusRule.alerts.IsalesProxyDown.for', 'prometheusRule.alerts.IsalesProxyDown.enabled',
  ...SETTINGS.map(({ name }) => `settings.${name}`),
]

// oxfmt-ignore
const ODD: readonly unknown[] = [
  null, true, 0, 1, -1, 1.5, 1e21, [], {}, [null], ['x'], [{}], [{ name: 1 }], { a: 1 },
  '', ' ', '1', '01', '1e3', '0x1f', 'null', '~', 'no', '2026-11-30', '- x', 'a: b', 'a #b',
  '*a', '!a', '%a', '{a', '"', "'", '\\', 'a\nb', 'A_B', '-a', '外呼', '$(HOME)', '{{ fail "x" }}', 'x'.repeat(300),
]

/** Fields of Kubernetes' own objects, which the API server checks. */
const NOT_OURS =
  /^(?:extraVolume|extraEnv|networkPolicy\.\w+$|standalone\.(?:tolerations|affinity|topology))/

const podMonitor = { enabled: true }
const MODES = {
  standalone: standalone({ mode: 'standalone', podMonitor }),
  injection: {
    ...ciValues('injection'),
    podMonitor,
    sessionStore: { secretName: 'store' },
    settings: { ISALES_URL: 'https://isales.example', SESSION_STORE_URL: 'valkeys://one' },
    tls: { secretName: 'tls' },
  },
}
/** Large objects, made only for the values that their templates read. */
const LARGE = { prometheusRule: { enabled: true }, dashboard: { enabled: true } }
const READ_BY_LARGE = /^(?:prometheusRule|dashboard|commonLabels|\w*[nN]ame\w*Override|mode)/

const NAME_OF_OBJECT =
  /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const LABEL = /^(?=.{0,63}$)([0-9A-Za-z]([-._0-9A-Za-z]*[0-9A-Za-z])?)?$/
/** Formats that the API server demands of texts and other values, by the end of their path. */
const DEMANDS: readonly (readonly [RegExp, RegExp, ...types: string[]])[] = [
  [
    /(?:limits|requests)\.[^.]+$/,
    /^[\d.]+(?:[eE]\+?\d+|[KMGTPE]i|[numkMGTPE])?$/,
    'string',
    'number',
  ],
  [/(?:runAsUser|runAsGroup|fsGroup)$/, /^\d{1,10}$/, 'number'],
  [/(?:runAsNonRoot|FileSystem|Escalation|privileged)$/i, /^/, 'boolean'],
  [/seccompProfile\.type$/, /^(?:RuntimeDefault|Unconfined|Localhost)$/],
  [
    /(?:metadata|configMap|imagePullSecrets\.\d+)\.name$|(?:secretName|policyName|priorityClassName|namespace)$/,
    NAME_OF_OBJECT,
  ],
  [/rules\.\d+\.labels\.\w+$/, /^/],
  [/(?:[lL]abels|nodeSelector|namespaces)\.[^.]+(?:\.[^.]+)*$/, LABEL],
  [/env\.\d+\.name$/, /^[-._A-Za-z][-._0-9A-Za-z]*$/],
  [/items\.\d+\.key$/, /^[-._0-9A-Za-z]{1,253}$/],
  [/image$/, /^\S+$/],
  [/(?:env\.\d+\.value|annotations\.[^.]+)$/, /^/],
]

/** Returns the texts that the API server would refuse. */
const unfit = (node: unknown, path = ''): readonly string[] => {
  if (typeof node === 'object' && node !== null)
    return Object.entries(node).flatMap(([key, value]) =>
      unfit(value, path === '' ? key : `${path}.${key}`),
    )
  const found = DEMANDS.find(([end]) => end.test(path))
  if (found === undefined) return []
  const [, demand, ...types] = found
  const isOfType = types.length === 0 ? typeof node === 'string' : types.includes(typeof node)
  if (isOfType && demand.test(String(node))) return []
  return [`${path}: ${JSON.stringify(node)}`]
}

/** The objects of a release, and, of injection, a pod that it has injected. */
const objectsOf = ({ yaml }: Made) => {
  const manifests = parseManifests(yaml)
  const [policy] = ofKind(manifests, 'MutatingAdmissionPolicy')
  if (policy === undefined) return { manifests }
  const label = policy.metadata.name.replace(`${NAME}.`, '')
  const spec = { containers: [{ name: 'cti-obs', image: 'x' }] }
  const pod: Pod = { metadata: { namespace: 'n', labels: { [NAME]: label } }, spec }
  return { manifests, pod: admit(manifests, { n: { [NAME]: label } }, pod) }
}

type Case = { readonly path: string; readonly odd: unknown }

/** Every odd value at each path, in one mode or the other, unless the schema refuses it. Helm takes null for no value. */
const isTaken = new Ajv({ strict: false }).compile(SCHEMA)
const CASES: Readonly<Record<keyof typeof MODES, Case[]>> = { standalone: [], injection: [] }
for (const [index, path] of [...PATHS, ...DEEPER].entries())
  for (const [at, odd] of ODD.entries())
    if (odd === null || isTaken(withValue(DEFAULTS, path, odd)))
      CASES[(index + at) % 2 === 0 ? 'standalone' : 'injection'].push({ path, odd })

it('more than 5,000 cases are tried, and no condition of the schema joins two values', () => {
  expect((PATHS.length + DEEPER.length) * ODD.length).toBeGreaterThan(5000)
  expect(JSON.stringify(SCHEMA)).not.toMatch(/"(?:if|not|anyOf|allOf|oneOf|dependent\w+)":/)
})

/** The hash of the release in a pod that it has injected, and everything that it depends on. */
const hashOf = ({ metadata, spec }: Pod) => {
  const [, label, hash] = /^(.*)\.(.*)$/.exec(metadata.labels?.[`${NAME}/injected`] ?? '') ?? []
  return { hash, of: JSON.stringify([label, spec]) }
}

it.each(['standalone', 'injection'] as const)(
  'an odd value is refused by its name, or makes objects that an API server accepts, and a pod with another hash: %s',
  async (mode) => {
    const base = MODES[mode]
    const cases = CASES[mode]
    const [plain, ...all] = await renderMany([
      base,
      ...cases.map(({ path, odd }) =>
        withValue({ ...base, ...(READ_BY_LARGE.test(path) && LARGE) }, path, odd),
      ),
    ])
    const hashed = new Set<string>()
    const wrong = all.flatMap((made, index) => {
      const { path = '', odd } = cases[index] ?? {}
      const what = `${path} = ${JSON.stringify(odd)}`
      if (made.trace !== '') return [`${what}: ${made.trace}`]
      if (made.refusal !== '') {
        const names = path
          .split('.')
          .slice(-2)
          .filter((name) => name !== '0')
        const isSaid = names.some((name) => new RegExp(`\\b${name}\\b`).test(made.refusal))
        return isSaid ? [] : [`${what}: ${made.refusal}`]
      }
      const { manifests, pod } = objectsOf(made)
      const own = plain && objectsOf(plain).pod
      if (pod && own) {
        const [one, other] = [hashOf(pod), hashOf(own)]
        if (one.hash !== other.hash) hashed.add(path)
        if ((one.hash === other.hash) !== (one.of === other.of)) return [`${what}: the hash`]
      }
      if (NOT_OURS.test(path)) return []
      return unfit([...manifests, pod]).map((text) => `${what}: ${text}`)
    })
    expect(wrong).toEqual([])
    expect(hashed.size).toBeGreaterThanOrEqual(mode === 'injection' ? 40 : 0)
  },
  300_000,
)

/** Texts that some settings refuse. The schema knows no ranges, and no quotes in names. */
// oxfmt-ignore
const TEXTS = [
  '', '+1s', '1h30m', '64KB', '127.0.0.1:http', 'none of them', 'two words', 'two\nlines',
  'x'.repeat(50), 'relative', './relative.pem', '/with?query', '/with%20escape', '/with?query,/', 'user@host', 'host:443',
  'isales.example', 'https://host', 'ftp://isales.example', 'https://isales.example/path', 'http://u:p@egress', 'http://egress/path',
  'http://two words', 'valkeys://u:p@store', 'store:6379', 'result=', 'Authorization', 'Authorization: {tokens}', 'Two Words: {token}',
]
const isAccepted = (name: string, value: unknown): boolean =>
  isTaken(withValue(DEFAULTS, `settings.${name}`, value)) === true

it.each(SETTINGS)(
  'the schema accepts default, example and file of $name, and no text that the program refuses',
  ({ name, fileName, example, default: standard, parse }) => {
    const wrong = TEXTS.filter((text) => parse(text) === null)
    expect(wrong.length).toBeGreaterThan(0)
    expect(wrong.filter((text) => isAccepted(name, text))).toEqual([])
    for (const value of [standard, example])
      expect(value === undefined || isAccepted(name, value)).toBe(true)
    const files = fileName ? ['/run/isales/file', 'relative'] : []
    const accepted = files.filter((file) => isAccepted(fileName ?? '', file))
    expect(accepted).toEqual(files.filter((file) => file !== 'relative'))
    expect(isAccepted(name, ['a list'])).toBe(false)
  },
)

it('the chart refuses values beyond each limit, by name and with the limits', async () => {
  const limited = SETTINGS.flatMap(({ name, range }) => (range ? [{ name, ...range }] : []))
  const step = (limit: string, by: number) => limit.replace(/^\d+/, (digits) => `${+digits + by}`)
  const least = limited.filter(({ min }) => !min.startsWith('0'))
  for (const settings of [
    Object.fromEntries(limited.map(({ name, max }) => [name, step(max, 1)])),
    Object.fromEntries(least.map(({ name, min }) => [name, step(min, -1)])),
  ])
    for (const { stderr } of await template(standalone({ settings })))
      for (const [name, text] of Object.entries(settings))
        expect(stderr).toMatch(new RegExp(`settings\\.${name} is ${text}: it must be \\d`))
})
