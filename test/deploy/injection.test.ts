import type { IContainer } from 'kubernetes-models/v1/Container'
import { describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { read } from '../docs/pages.ts'
import { admit, complaints, type Pod } from './support/admission.ts'
import { ciValues, NAME, render, renderSidecar } from './support/chart.ts'
import { mistakes, ofKind, parseManifests, specOf, type Manifest } from './support/manifests.ts'
import { configure, environment, podOf, proxyIn } from './support/pod.ts'

const NAMESPACES = {
  telephony: { 'kubernetes.io/metadata.name': 'telephony' },
  vendor: { 'kubernetes.io/metadata.name': 'vendor' },
  other: { 'kubernetes.io/metadata.name': 'other' },
  labelled: { 'kubernetes.io/metadata.name': 'labelled', [NAME]: 'obs' },
  'kube-system': { 'kubernetes.io/metadata.name': 'kube-system' },
}
const container = (name: string): IContainer => ({ name, image: `registry.example/${name}:9` })
const podWith = (spec: object = {}, annotations = {}, label = 'obs'): Pod => ({
  metadata: { namespace: 'telephony', labels: { [NAME]: label }, annotations },
  spec: { containers: [container('cti-obs')], ...spec },
})
const injection = (more: object = {}) => ({ ...ciValues('injection'), ...more })
/** A cluster-wide object that does not belong to a release. */
const guard = parseManifests(read('config/kubernetes/guard.yaml'))
const released = await render(injection())
const manifests = [...guard, ...released]
const inject = (pod = podWith(), policies: readonly Manifest[] = manifests) =>
  admit(policies, NAMESPACES, pod)

const PLACES = new Map(
  Object.entries({ SERVED: 'telephony', OTHER: 'other', LABELLED: 'labelled' }),
)
const CASES = read('test/deploy/injection-cases.txt')
  .split('\n')
  .filter((line) => /^[^#]/.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()))

/** RFC 7396. */
const merge = (target: unknown, patch: unknown): unknown => {
  if (typeof patch !== 'object' || patch === null) return patch
  const merged: Record<string, unknown> = { ...(target as object) }
  for (const [key, value] of Object.entries(patch))
    if (value === null) delete merged[key]
    else merged[key] = merge(merged[key], value)
  return merged
}

describe('the policies of a release', () => {
  it('are made of fields that the API knows, and are all that there is', async () => {
    expect(mistakes(manifests)).toEqual([])
    const kinds = released.map(({ kind }) => kind)
    const policy = 'MutatingAdmissionPolicy'
    expect(kinds.sort()).toEqual([policy, `${policy}Binding`, `${policy}Binding`, 'PodMonitor'])
  })

  it.each(CASES)('do with a pod what is wanted: %s', (_name, outcome = '', ...rest) => {
    const [namespace = '', labels = '', annotations = '', spec = '', patch = ''] = rest
    const yaml = (text: string): unknown =>
      parse(`{${text.replaceAll(/(?<=^|[{, ])L(?=[}, ]|$)/g, `${NAME}: obs`)}}`)
    const pod = {
      metadata: {
        name: 'try',
        namespace: PLACES.get(namespace) ?? namespace,
        labels: yaml(labels),
        annotations: yaml(annotations),
      },
      spec: spec === '' ? podWith().spec : yaml(spec),
    } as Pod
    const made = (): Pod => {
      const first = inject(pod)
      if (patch === '') return first
      return admit(manifests, NAMESPACES, merge(first, yaml(patch)) as Pod, first)
    }
    let [text, refused] = ['', '']
    try {
      text = stringify(made())
    } catch (error) {
      refused = String(error)
    }

    const wanted = outcome.replace(/^!/, '')
    const isThere = (text + refused).includes(wanted)
    const isAsWanted = wanted === outcome ? isThere : refused === '' && !isThere
    expect({ text, refused, isAsWanted }).toEqual({ text, refused, isAsWanted: true })
  })

  it('change a pod by patches, again after others have changed it, and write out every default of the API, so that a second manager does not conflict', () => {
    const mutating = { reinvocationPolicy: 'IfNeeded', mutations: [{ patchType: 'JSONPatch' }] }
    expect(specOf(released, 'MutatingAdmissionPolicy')).toMatchObject(mutating)
    for (const kind of ['MutatingAdmissionPolicy', 'ValidatingAdmissionPolicy']) {
      expect(specOf(manifests, kind)).toMatchObject({
        failurePolicy: 'Fail',
        matchConstraints: {
          matchPolicy: 'Equivalent',
          namespaceSelector: {},
          objectSelector: {},
          resourceRules: [{ scope: '*' }],
        },
      })
      const matchResources = { matchPolicy: 'Equivalent', objectSelector: {} }
      for (const { spec } of ofKind(manifests, `${kind}Binding`))
        expect(spec).toMatchObject({ matchResources })
    }
  })

  it('belong to one release: Helm does not take over the object of another release, and both have one name', async () => {
    const namesOf = async (label: string, release: string) => {
      const made = await render(injection({ injection: { enabled: true, label } }), { release })
      return ofKind(made, 'MutatingAdmissionPolicy').map(({ metadata }) => metadata)
    }
    expect(await namesOf('obs', 'other')).toMatchObject([{ name: `${NAME}.obs` }])
    expect(await namesOf('', 'other')).toMatchObject([{ name: `${NAME}.other` }])
    for (const metadata of await namesOf('obs', 'other'))
      expect(metadata).not.toHaveProperty('namespace')
  })
})

it.each([
  ['Job', 'Never', { [NAME]: 'obs' }, ['use OnFailure']],
  ['CronJob', 'Never', { [NAME]: 'obs' }, ['every run is a new pod', 'use OnFailure']],
  ['CronJob', 'OnFailure', { [NAME]: 'obs' }, ['every run is a new pod']],
  ['Job', 'OnFailure', { [NAME]: 'obs' }, []],
  ['CronJob', 'Never', { app: 'other' }, []],
  ['Job', 'Never', { app: 'other' }, []],
  ['Job', 'Never', undefined, []],
])(
  'the guard warns of a %s with restartPolicy %s and labels %j: %j',
  (kind, restartPolicy, labels, warnings) => {
    const template = { metadata: { labels }, spec: { restartPolicy, containers: [container('x')] } }
    const job = { template: labels === undefined ? { spec: template.spec } : template }
    const spec = kind === 'Job' ? job : { schedule: '* * * * *', jobTemplate: { spec: job } }
    const object = { kind, metadata: { namespace: 'telephony' }, spec }
    const resource = `${kind.toLowerCase()}s`
    const said = complaints({ manifests, namespaces: NAMESPACES, resource, object })
    expect(said).toEqual(warnings.map((text) => expect.stringContaining(text) as string))
    const bindings = ofKind(guard, 'ValidatingAdmissionPolicyBinding')
    const binding = bindings.find(({ metadata }) => metadata.name.endsWith('-jobs'))
    expect(binding?.spec).toMatchObject({ validationActions: ['Warn'] })
  },
)

describe('an injected pod', () => {
  const injected = inject()
  const proxy = proxyIn(injected.spec)

  it('has the container and the volumes that the chart adds to a pod of its own, and a log level', async () => {
    const charted = podOf(await renderSidecar())
    expect(injected.spec.volumes).toEqual(charted.volumes)
    const { env: _, ...own } = proxyIn(charted)
    const { env: _env, ...rest } = proxy
    expect(rest).toEqual(own)
    expect(environment(proxy)).toEqual({ ...environment(proxyIn(charted)), LOG_LEVEL: 'info' })
    expect(configure(environment(proxy))).toMatchObject({ ok: true, problems: [] })
  })

  it('has it before its own init containers, and the volumes after its own', () => {
    const volumes = [{ name: 'data', emptyDir: {} }]
    const { spec } = inject(podWith({ initContainers: [container('prepare')], volumes }))
    expect(spec.initContainers?.map(({ name }) => name)).toEqual([NAME, 'prepare'])
    const names = spec.volumes?.map(({ name }) => name)
    expect(names).toEqual(['data', 'isales-state', 'isales-credentials', 'isales-no-token'])
    expect(spec.containers).toEqual([container('cti-obs')])
    expect(inject(injected)).toEqual(injected)
  })

  it('is marked with the release and a hash', async () => {
    const markOf = (pod: Pod) => pod.metadata.labels?.[`${NAME}/injected`]
    expect(markOf(injected)).toMatch(/^obs\.[0-9a-f]{8}$/)
    const release = 'r'.repeat(53)
    const long = await render(injection(), { release })
    expect(markOf(inject(podWith({}, {}, release), long))).toHaveLength(62)
  })

  it('is of the one release that its label names, where two serve a namespace', async () => {
    const settings = { ISALES_URL: 'https://south.example' }
    const south = await render(injection({ settings }), { release: 'south' })
    const both = [...manifests, ...south]
    const environmentOf = (pod: Pod) => environment(proxyIn(inject(pod, both).spec))
    expect(environmentOf(podWith({}, {}, 'south'))).toMatchObject(settings)
    expect(environmentOf(podWith())['ISALES_URL']).toBe('https://isales.example')
    const said = 'a release must have this label value'
    expect(() => inject(podWith({}, {}, 'inject'), both)).toThrow(said)
    const named = await render(injection({ injection: { enabled: true, label: 'inject' } }))
    expect(proxyIn(inject(podWith({}, {}, 'inject'), [...guard, ...named]).spec)).toEqual(proxy)
  })

  it('carries everything else that the chart can put into a container', async () => {
    const env = [{ name: 'QUOTED', value: `it's "quoted", \\ and \n<lines>` }]
    const settings = {
      ISALES_URL: 'https://isales.example',
      ISALES_USER: `o'bs #1 $(HOME) \\n `,
      OBS_USER: '`a` "b"',
      ISALES_TOKEN_HEADER: 'Authentication: Bearer {refreshToken}',
      LISTEN: '127.0.0.1:18080',
      LOG_LEVEL: 'warn',
    }
    const more = { isalesCa: { configMapName: 'ca' }, extraEnv: env, settings }
    const policies = [...guard, ...(await render(injection(more)))]
    const { spec } = inject(podWith(), policies)
    expect(proxyIn(spec).env?.at(-1)).toEqual(env[0])
    expect(environment(proxyIn(spec))).toMatchObject(settings)
    expect(spec.volumes).toContainEqual({ name: 'isales-ca', configMap: { name: 'ca' } })
    const app = { ...container('app'), ports: [{ containerPort: 18080 }] }
    expect(() => inject(podWith({ containers: [app] }), policies)).toThrow('app has the port 18080')
  })

  it('has the secrets for pulling the image, besides its own', async () => {
    const more = { imagePullSecrets: ['registry'], global: { imagePullSecrets: [{ name: 'all' }] } }
    const made = await render(injection(more))
    const secretsOf = (pod: Pod) => inject(pod, made).spec.imagePullSecrets?.map(({ name }) => name)
    expect(secretsOf(podWith())).toEqual(['all', 'registry'])
    const own = podWith({ imagePullSecrets: [{ name: 'registry' }, { name: 'own' }] })
    expect(secretsOf(own)).toEqual(['registry', 'own', 'all'])
    expect(injected.spec).not.toHaveProperty('imagePullSecrets')
  })

  it('has quantities as text, also those that YAML reads as numbers', async () => {
    const resources = { limits: { cpu: 1, memory: 268435456 }, requests: { cpu: 0.5 } }
    const extraVolumes = [{ name: 'scratch', emptyDir: { sizeLimit: 1048576 } }]
    const { spec } = inject(podWith(), await render(injection({ resources, extraVolumes })))
    expect(proxyIn(spec).resources).toEqual({
      limits: { cpu: '1', memory: '268435456' },
      requests: { cpu: '0.5', memory: '64Mi' },
    })
    expect(spec.volumes?.at(-1)).toMatchObject({ emptyDir: { sizeLimit: '1048576' } })
  })

  it('can be updated by controllers even if it was invalid before the policies existed', () => {
    const old = podWith({}, { [`${NAME}/typo`]: 'x' })
    const update = (annotations: object) =>
      admit(manifests, NAMESPACES, merge(old, { metadata: { annotations } }) as Pod, old)
    expect(update({ note: 'x' }).metadata.annotations).toMatchObject({ note: 'x' })
    expect(() => update({ [`${NAME}/typo`]: 'y' })).toThrow('unknown annotation')
  })
})
