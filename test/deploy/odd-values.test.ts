// Odd values at every path of values.yaml. Cases are generated.
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { admit, type Pod } from './support/admission.ts'
import { CHART, ciValues, NAME, standalone } from './support/chart.ts'
import { renderMany, type Made } from './support/many.ts'
import { ofKind, parseManifests } from './support/manifests.ts'
import { PATHS, withValue } from './support/values.ts'

/** Paths within values that are lists or maps. */
// oxfmt-ignore
const DEEPER = [
  'global.imagePullSecrets.0', 'imagePullSecrets.0', 'imagePullSecrets.0.name', 'extraEnv.0', 'extraEnv.0.name',
  'injection.namespaces.0', 'settings.ISALES_URL', 'commonLabels.label', 'podMonitor.labels.label',
  'prometheusRule.labels.label', 'prometheusRule.additionalLabels.label', 'dashboard.labels.label',
  'standalone.service.hosts.0', 'standalone.service.loadBalancerSourceRanges.0', 'standalone.service.annotations.note',
  'standalone.podAnnotations.note', 'standalone.nodeSelector.label', 'prometheusRule.alerts.IsalesProxyDown',
  'prometheusRule.alerts.IsalesProxyDown.for', 'prometheusRule.alerts.IsalesProxyDown.enabled',
]

// oxfmt-ignore
const ODD: readonly unknown[] = [
  null, true, 0, 1, -1, 1.5, 1e21, [], {}, [null], ['x'], [{}], [{ name: 1 }], { a: 1 },
  '', ' ', '1', '01', '1e3', '0x1f', 'null', '~', 'no', '2026-11-30', '- x', 'a: b', 'a #b',
  '*a', '!a', '%a', '{a', '"', "'", '\\', 'a\nb', 'A_B', '-a', '外呼', '$(HOME)', '{{ fail "x" }}', 'x'.repeat(300),
]

/** Fields of Kubernetes' own objects, which the API server checks. */
const NOT_OURS =
  /^(?:resources|containerSecurityContext|podSecurityContext|extraVolume|extraEnv|networkPolicy\.\w+$|standalone\.(?:tolerations|affinity|topology))/

const podMonitor = { enabled: true }
const MODES = {
  standalone: standalone({ mode: 'standalone', podMonitor }),
  injection: { ...ciValues('injection'), podMonitor },
}
/** Large objects, made only for the values that their templates read. */
const LARGE = { prometheusRule: { enabled: true }, dashboard: { enabled: true } }
const READ_BY_LARGE = /^(?:prometheusRule|dashboard|commonLabels|\w*[nN]ame\w*Override|mode)/

const NAME_OF_OBJECT =
  /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const LABEL = /^(?=.{0,63}$)([0-9A-Za-z]([-._0-9A-Za-z]*[0-9A-Za-z])?)?$/
/** Formats that the API server demands of texts, by the end of their path. */
const DEMANDS: readonly (readonly [RegExp, RegExp])[] = [
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
  const [, demand] = DEMANDS.find(([end]) => end.test(path)) ?? []
  if (demand === undefined || (typeof node === 'string' && demand.test(node))) return []
  return [`${path}: ${JSON.stringify(node)}`]
}

/** The objects of a release, and, of injection, a pod that it has injected. */
const objectsOf = ({ yaml }: Made): readonly unknown[] => {
  const manifests = parseManifests(yaml)
  const [policy] = ofKind(manifests, 'MutatingAdmissionPolicy')
  if (policy === undefined) return manifests
  const label = policy.metadata.name.replace(`${NAME}.`, '')
  const pod: Pod = {
    metadata: { namespace: 'n', labels: { [NAME]: label } },
    spec: { containers: [{ name: 'cti-obs', image: 'x' }] },
  }
  return [...manifests, admit(manifests, { n: { [NAME]: label } }, pod)]
}

interface Case {
  readonly path: string
  readonly odd: unknown
  readonly mode: string
}
/** Every odd value at each path, in one mode or the other. */
const CASES: readonly Case[] = [...PATHS, ...DEEPER].flatMap((path, index) =>
  ODD.map((odd, at) => ({ path, odd, mode: (index + at) % 2 === 0 ? 'standalone' : 'injection' })),
)

/** True if the schema refuses the value at this path: by its own path, or as a property of its parent. */
const isNamed = (path: string, refusal: string): boolean => {
  const own = `/${path.replaceAll('.', '/')}`
  const [, parent = '', name = ''] = /^(.*)\/(.+)$/.exec(own) ?? []
  const lines = refusal.split('\n')
  return lines.some(
    (line) =>
      line.includes(`at '${own}'`) ||
      line.includes(`at '${own}/`) ||
      (line.includes(`at '${parent}': `) && line.includes(`'${name}'`)),
  )
}

/** Returns the cases that the schema accepts. Paths of one depth are tried together, because none contains another. */
async function takenBySchema(base: object, cases: readonly Case[]): Promise<readonly Case[]> {
  const together: Record<string, Case[]> = {}
  for (const one of cases)
    (together[JSON.stringify([one.path.split('.').length, one.odd])] ??= []).push(one)
  const groups = Object.values(together)
  const all = await renderMany(
    groups.map((group) =>
      group.reduce((values, { path, odd }) => withValue(values, path, odd), base),
    ),
  )
  return groups.flatMap((group, index) =>
    group.filter(({ path }) => !isNamed(path, all[index]?.refusal ?? '')),
  )
}

it('there are more than 5,000 cases', () => {
  expect(CASES.length).toBeGreaterThan(5000)
})

it('the schema has no condition between two values', () => {
  const schema = readFileSync(`${CHART}/values.schema.json`, 'utf8')
  expect(schema).not.toMatch(/"(?:if|not|anyOf|allOf|oneOf|dependent\w+)":/)
})

it.each(Object.entries(MODES))(
  'an odd value is refused by its name, or makes objects that an API server accepts: %s',
  async (mode, base) => {
    const cases = await takenBySchema(
      base,
      CASES.filter((one) => one.mode === mode),
    )
    const all = await renderMany(
      cases.map(({ path, odd }) => {
        const more = READ_BY_LARGE.test(path) ? LARGE : {}
        return withValue({ ...base, ...more }, path, odd)
      }),
    )
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
      if (NOT_OURS.test(path)) return []
      return objectsOf(made).flatMap((object) => unfit(object).map((text) => `${what}: ${text}`))
    })
    expect(wrong).toEqual([])
  },
  300_000,
)
