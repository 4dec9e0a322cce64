import { beforeAll, describe, expect, it } from 'vitest'
import type { IContainer } from 'kubernetes-models/v1/Container'
import type { IPodSpec } from 'kubernetes-models/v1/PodSpec'
import { CHART, ciFile, createDependent, render } from './support/chart.ts'
import type {
  IMutatingAdmissionPolicy,
  IMutatingAdmissionPolicyBinding,
} from './support/admission-policy.ts'
import { evaluate } from './support/cel.ts'
import { faults, ofKind, podSpec, type Manifest } from './support/manifests.ts'
import { run } from './support/run.ts'
import { newest, older } from './support/tools.ts'

const helm = (await newest())?.helm ?? ''
const olderHelm = (await older())?.helm ?? ''
const NAME = 'isales-auth-proxy'
const SINCE = ['--kube-version', '1.36.2']

interface Pod {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> }
  readonly spec: IPodSpec
}
interface Patch {
  readonly op: string
  readonly path: string
  readonly value: unknown
}

const policyOf = (manifests: readonly Manifest[]): IMutatingAdmissionPolicy =>
  ofKind(manifests, 'MutatingAdmissionPolicy')[0] as unknown as IMutatingAdmissionPolicy

/** What the API server makes of a pod. */
const admit = ({ spec }: IMutatingAdmissionPolicy, pod: Pod): Pod => {
  const object = structuredClone(pod)
  if (!spec.matchConditions?.every(({ expression }) => evaluate(expression, { object }) === true))
    return object
  const variables: Record<string, unknown> = {}
  for (const { name, expression } of spec.variables ?? [])
    variables[name] = evaluate(expression, { object, variables })
  for (const { jsonPatch } of spec.mutations) {
    const patches = evaluate(jsonPatch.expression, { object, variables }) as readonly Patch[]
    for (const patch of patches) apply(object, patch)
  }
  return object
}

const apply = (object: object, { op, path, value }: Patch): void => {
  expect(op).toBe('add')
  const keys = path.split('/').slice(1)
  const last = keys.pop() ?? ''
  const parent = keys.reduce((at, key) => at[key] as never, object as Record<string, unknown>)
  if (!Array.isArray(parent)) parent[last] = value
  else if (last === '-') parent.push(value)
  else parent.splice(Number(last), 0, value)
}

const container = (name: string): IContainer => ({ name, image: `registry.example/${name}:9` })
const bare: Pod = { metadata: {}, spec: { containers: [container('cti-obs')] } }

describe.skipIf(helm === '')('the policy that adds the sidecar to pods', () => {
  let manifests: readonly Manifest[] = []
  let policy: IMutatingAdmissionPolicy
  beforeAll(async () => {
    manifests = await render(helm, ciFile('injection'), ...SINCE)
    policy = policyOf(manifests)
  })

  it('is made of fields that the API knows', async () => {
    expect(faults(manifests)).toEqual([])
  })

  it.skipIf(olderHelm === '')('is the same with the older helm', async () => {
    expect(await render(olderHelm, ciFile('injection'), ...SINCE)).toEqual(manifests)
  })

  it('adds the container and the volumes that the chart adds to a pod of its own', async () => {
    const dependent = await createDependent(helm)
    const charted = podSpec(ofKind(await dependent.render('sidecar'), 'Deployment')[0])
    await dependent.remove()
    const { env, ...own } = charted.initContainers?.find(({ name }) => name === NAME) ?? {}
    const { spec } = admit(policy, bare)
    expect(spec.volumes).toEqual(charted.volumes)
    const { envFrom, ...added } = spec.initContainers?.[0] ?? {}
    expect(added).toEqual(own)
    expect(envFrom).toEqual([{ configMapRef: { name: 'obs-isales-auth-proxy-defaults' } }])
    for (const namespace of ['telephony', 'vendor']) {
      const defaults = ofKind(manifests, 'ConfigMap').find(
        ({ metadata }) => metadata.namespace === namespace,
      )
      expect(defaults?.metadata.name).toBe('obs-isales-auth-proxy-defaults')
      expect(defaults?.data).toEqual(
        Object.fromEntries(env?.map(({ name, value }) => [name, value]) ?? []),
      )
    }
  })

  it('adds it before the init containers of the pod, and its volumes after those of the pod', () => {
    const initContainers = [container('prepare')]
    const volumes = [{ name: 'data', emptyDir: {} }]
    const { spec } = admit(policy, { ...bare, spec: { ...bare.spec, initContainers, volumes } })
    expect(spec.initContainers?.map(({ name }) => name)).toEqual([NAME, 'prepare'])
    expect(spec.volumes?.map(({ name }) => name)).toEqual([
      'data',
      'isales-state',
      'isales-credentials',
    ])
    expect(spec.containers).toEqual(bare.spec.containers)
  })

  it('adds nothing a second time', () => {
    const once = admit(policy, bare)
    expect(admit(policy, once)).toEqual(once)
  })

  it('takes settings and Secret from where the annotations of the pod say', () => {
    const annotations = { [`${NAME}/settings`]: 'obs-east', [`${NAME}/secret`]: 'isales-east' }
    const { spec } = admit(policy, { ...bare, metadata: { annotations } })
    expect(spec.initContainers?.[0]?.envFrom?.at(-1)).toEqual({
      configMapRef: { name: 'obs-east' },
    })
    const secrets = spec.volumes?.flatMap(({ secret }) => secret?.secretName ?? [])
    expect(secrets).toEqual(['isales-east'])
    const other = admit(policy, { ...bare, metadata: { annotations: { team: 'east' } } })
    expect(other.spec).toEqual(admit(policy, bare).spec)
  })

  it('has no setting in `env`, which would win over the ConfigMap of the pod', () => {
    const { spec } = admit(policy, bare)
    expect(spec.initContainers?.[0]).not.toHaveProperty('env')
  })

  it('is for labelled new pods in the namespaces that were named, and does not let one pass without the sidecar', () => {
    expect(policy.spec).toMatchObject({
      failurePolicy: 'Fail',
      matchConstraints: { objectSelector: { matchLabels: { [NAME]: 'inject' } } },
    })
    const [binding] = ofKind(manifests, 'MutatingAdmissionPolicyBinding')
    const { spec } = binding as unknown as IMutatingAdmissionPolicyBinding
    expect(spec.policyName).toBe(policy.metadata.name)
    expect(spec.matchResources?.namespaceSelector?.matchExpressions).toMatchObject([
      { operator: 'In', values: ['telephony', 'vendor'] },
    ])
  })

  it('is scraped by a monitor for those pods in those namespaces', () => {
    const [monitor] = ofKind(manifests, 'PodMonitor')
    expect(monitor?.spec).toMatchObject({
      selector: { matchLabels: { [NAME]: 'inject' } },
      namespaceSelector: { matchNames: ['telephony', 'vendor'] },
    })
  })

  it('carries everything else that the chart can put into a container', async () => {
    const values = [
      '--set',
      'isalesCa.configMapName=ca,extraEnv[0].name=QUOTED,image.registry=r.example',
    ]
    const text = `it's "quoted", \\ and \n<lines>`
    const more = [
      '--set-json',
      JSON.stringify({ extraEnv: [{ name: 'QUOTED', value: text }] })
        .slice(1, -1)
        .replace('"extraEnv":', 'extraEnv='),
    ]
    const rendered = await render(helm, ciFile('injection'), ...SINCE, ...values, ...more)
    const { spec } = admit(policyOf(rendered), bare)
    expect(spec.initContainers?.[0]).toMatchObject({
      image: 'r.example/isales-auth-proxy:0.1.0',
      env: [{ name: 'QUOTED', value: text }],
    })
    expect(spec.volumes?.at(-1)).toMatchObject({ configMap: { name: 'ca' } })
  })

  it.each([
    ['1.36.0', 'v1'],
    ['1.35.4', 'v1beta1'],
    ['1.34.0', 'v1beta1'],
  ])('is of the version that Kubernetes %s serves', async (version, served) => {
    const rendered = await render(helm, ciFile('injection'), '--kube-version', version)
    expect(policyOf(rendered).apiVersion).toBe(`admissionregistration.k8s.io/${served}`)
  })

  it.each([
    ['an older Kubernetes', ['--kube-version', '1.33.9'], 'needs Kubernetes 1.34'],
    [
      'a stand-alone proxy',
      [...SINCE, '--set', 'mode=standalone,tls.secretName=t'],
      'mode=sidecar',
    ],
    ['an ordinary container', [...SINCE, '--set', 'sidecar.native=false'], 'sidecar.native=true'],
  ])('is refused for %s, with words', async (_what, more, said) => {
    const args = ['template', 'obs', CHART, '--values', ciFile('injection'), ...more]
    const outcome = await run(helm, args)
    expect(outcome.code).not.toBe(0)
    expect(outcome.stderr).toContain(said)
  })
})
