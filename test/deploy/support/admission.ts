import type { IMatchResources } from 'kubernetes-models/admissionregistration.k8s.io/v1/MatchResources'
import type { IValidatingAdmissionPolicyBindingSpec } from 'kubernetes-models/admissionregistration.k8s.io/v1/ValidatingAdmissionPolicyBindingSpec'
import type { IValidatingAdmissionPolicySpec } from 'kubernetes-models/admissionregistration.k8s.io/v1/ValidatingAdmissionPolicySpec'
import type { IPod } from 'kubernetes-models/v1/Pod'
import { evaluate } from './cel.ts'
import { ofKind, type Manifest } from './manifests.ts'

export interface Pod {
  readonly metadata: {
    readonly name?: string
    readonly namespace?: string | undefined
    readonly labels?: Labels
    readonly annotations?: Labels
  }
  readonly spec: NonNullable<IPod['spec']>
}
type Labels = Readonly<Record<string, string>>
interface Policy extends IValidatingAdmissionPolicySpec {
  readonly mutations?: readonly { readonly jsonPatch: { readonly expression: string } }[]
}
interface Patch {
  readonly op: string
  readonly path: string
  readonly value: unknown
}

/** Returns the pod that an API server creates, or changes from `old`. @throws with the message of what refuses the pod. */
export const admit = (
  manifests: readonly Manifest[],
  namespaces: Readonly<Record<string, Labels>>,
  pod: Pod,
  old?: Pod,
): Pod => {
  let object = structuredClone(pod)
  const request = () => ({ manifests, namespaces, resource: 'pods', object, old })
  for (const { mutations = [], scope } of policiesFor('MutatingAdmissionPolicy', request())) {
    object = structuredClone(object)
    for (const { jsonPatch } of mutations)
      for (const patch of evaluate(jsonPatch.expression, scope) as readonly Patch[])
        apply(object, patch)
  }
  checkPod(object)
  const [refusal] = complaints(request())
  if (refusal !== undefined) throw new Error(refusal)
  return object
}

interface Request {
  readonly manifests: readonly Manifest[]
  readonly namespaces: Readonly<Record<string, Labels>>
  /** Such as `pods`. */
  readonly resource: string
  readonly object: Pick<Pod, 'metadata'>
  readonly old?: Pick<Pod, 'metadata'> | undefined
}

/** Returns the messages of the validating policies that an object violates. */
export function complaints(request: Request): readonly string[] {
  return policiesFor('ValidatingAdmissionPolicy', request).flatMap(({ validations = [], scope }) =>
    validations
      .filter(({ expression }) => evaluate(expression, scope) !== true)
      .map(({ message, messageExpression }) =>
        String(messageExpression ? evaluate(messageExpression, scope) : message),
      ),
  )
}

/** Returns the policies of a kind that apply to a request, each with the variables of its expressions. */
function policiesFor(kind: string, { manifests, namespaces, resource, object, old }: Request) {
  const operation = old === undefined ? 'CREATE' : 'UPDATE'
  return ofKind(manifests, kind).flatMap(({ metadata, spec }) => {
    const policy = spec as Policy
    const { objectSelector, resourceRules: [rule] = [] } = policy.matchConstraints ?? {}
    const serves = ofKind(manifests, `${kind}Binding`).some((binding) => {
      const { policyName, matchResources } = binding.spec as IValidatingAdmissionPolicyBindingSpec
      const labels = namespaces[object.metadata.namespace ?? '']
      return policyName === metadata.name && matches(matchResources?.namespaceSelector, labels)
    })
    const sides = [object, old].some((one) => matches(objectSelector, one?.metadata.labels))
    const isFor = rule?.operations?.includes(operation) && rule.resources?.includes(resource)
    const variables: Record<string, unknown> = {}
    const scope = { object, oldObject: old ?? null, variables }
    const conditions = policy.matchConditions ?? []
    if (!serves || !sides || !isFor) return []
    if (!conditions.every(({ expression }) => evaluate(expression, scope) === true)) return []
    for (const { name, expression } of policy.variables ?? [])
      variables[name] = evaluate(expression, scope)
    return [{ ...policy, scope }]
  })
}

const matches = (selector: IMatchResources['objectSelector'], labels: Labels = {}): boolean => {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {}
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      if (operator === 'Exists') return key in labels
      return values.includes(labels[key] ?? '') === (operator === 'In')
    })
  )
}

/** Does the checks of the API server before the validating policies. */
const checkPod = ({ spec }: Pod): void => {
  const { containers, initContainers = [], volumes = [] } = spec
  for (const all of [[...containers, ...initContainers], volumes])
    if (new Set(all.map(({ name }) => name)).size < all.length) throw new Error('Duplicate value')
}

const apply = (object: object, { op, path, value }: Patch): void => {
  if (op !== 'add') throw new Error(`patch ${op}`)
  const [, ...keys] = path.split('/').map((key) => key.replaceAll('~1', '/'))

  const last = keys.pop() ?? ''
  const parent = keys.reduce((at, key) => at[key] as never, object as Record<string, unknown>)
  if (!Array.isArray(parent)) parent[last] = value
  else if (last === '-') parent.push(value)
  else parent.splice(Number(last), 0, value)
}
