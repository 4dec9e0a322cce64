import { describe, expect, it } from 'vitest'
import type { IContainer } from 'kubernetes-models/v1/Container'
import type { IPodSpec } from 'kubernetes-models/v1/PodSpec'
import { ciValues, NAME, render, renderSidecar } from './support/chart.ts'
import type {
  IMutatingAdmissionPolicy,
  IMutatingAdmissionPolicyBinding,
} from './support/admission-policy.ts'
import { evaluate } from './support/cel.ts'
import { mistakes, ofKind, specOf, type Manifest } from './support/manifests.ts'
import { environment, podOf, proxyIn } from './support/pod.ts'

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
  for (const { jsonPatch } of spec.mutations)
    for (const patch of evaluate(jsonPatch.expression, { object, variables }) as readonly Patch[])
      apply(object, patch)
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

describe('the policy that adds the sidecar to pods', async () => {
  const manifests = await render(ciValues('injection'))
  const policy = policyOf(manifests)
  const injected = admit(policy, bare)

  it('is made of fields that the API knows', async () => {
    expect(mistakes(manifests)).toEqual([])
  })

  it('adds the container and the volumes that the chart adds to a pod of its own, with its settings as defaults', async () => {
    const charted = podOf(await renderSidecar())
    expect(injected.spec.volumes).toEqual(charted.volumes)
    const { env: _, ...own } = proxyIn(charted)
    // What stood in `env` would win over the ConfigMap of the pod.
    const name = 'obs-isales-auth-proxy-defaults'
    const envFrom = [{ configMapRef: { name } }]
    expect(injected.spec.initContainers).toEqual([{ ...own, envFrom }])
    expect(ofKind(manifests, 'ConfigMap')).toMatchObject(
      ['telephony', 'vendor'].map((namespace) => ({
        metadata: { name, namespace },
        data: environment(proxyIn(charted)),
      })),
    )
  })

  it('adds it before the init containers of the pod, and its volumes after those of the pod', () => {
    const own = {
      initContainers: [container('prepare')],
      volumes: [{ name: 'data', emptyDir: {} }],
    }
    const { spec } = admit(policy, { ...bare, spec: { ...bare.spec, ...own } })
    const [names, volumes] = [spec.initContainers, spec.volumes].map((all) =>
      all?.map(({ name }) => name),
    )
    expect(names).toEqual([NAME, 'prepare'])
    expect(volumes).toEqual(['data', 'isales-state', 'isales-credentials'])
    expect(spec.containers).toEqual(bare.spec.containers)
  })

  it('adds nothing a second time', () => {
    expect(admit(policy, injected)).toEqual(injected)
  })

  it('takes settings and Secret from where the annotations of the pod say', () => {
    const annotations = { [`${NAME}/settings`]: 'obs-east', [`${NAME}/secret`]: 'isales-east' }
    const { spec } = admit(policy, { ...bare, metadata: { annotations } })
    expect(proxyIn(spec).envFrom?.at(-1)).toEqual({ configMapRef: { name: 'obs-east' } })
    const secrets = spec.volumes?.flatMap(({ secret }) => secret?.secretName ?? [])
    expect(secrets).toEqual(['isales-east'])
    const other = admit(policy, { ...bare, metadata: { annotations: { team: 'east' } } })
    expect(other.spec).toEqual(injected.spec)
  })

  it('is for labelled new pods in the namespaces that were named, and lets none pass without the sidecar', () => {
    expect(policy.spec).toMatchObject({
      failurePolicy: 'Fail',
      matchConstraints: { objectSelector: { matchLabels: { [NAME]: 'inject' } } },
    })
    const binding = specOf(manifests, 'MutatingAdmissionPolicyBinding')
    const { policyName, matchResources } =
      binding as unknown as IMutatingAdmissionPolicyBinding['spec']
    expect(policyName).toBe(policy.metadata.name)
    expect(matchResources?.namespaceSelector?.matchExpressions).toMatchObject([
      { operator: 'In', values: ['telephony', 'vendor'] },
    ])
  })

  it('is scraped by a monitor for those pods in those namespaces', () => {
    expect(specOf(manifests, 'PodMonitor')).toMatchObject({
      selector: { matchLabels: { [NAME]: 'inject' } },
      namespaceSelector: { matchNames: ['telephony', 'vendor'] },
    })
  })

  it('carries everything else that the chart can put into a container', async () => {
    const env = [{ name: 'QUOTED', value: `it's "quoted", \\ and \n<lines>` }]
    const more = {
      isalesCa: { configMapName: 'ca' },
      image: { registry: 'r.example' },
      extraEnv: env,
    }
    const { spec } = admit(policyOf(await render({ ...ciValues('injection'), ...more })), bare)
    expect(proxyIn(spec)).toMatchObject({ image: 'r.example/isales-auth-proxy:0.1.0', env })
    expect(spec.volumes?.at(-1)).toMatchObject({ configMap: { name: 'ca' } })
  })

  it.each([
    ['1.36.0', 'v1'],
    ['1.35.4', 'v1beta1'],
    ['1.34.0', 'v1beta1'],
  ])('is of the version that Kubernetes %s serves', async (kube, served) => {
    const { apiVersion } = policyOf(await render(ciValues('injection'), { kube }))
    expect(apiVersion).toBe(`admissionregistration.k8s.io/${served}`)
  })
})
