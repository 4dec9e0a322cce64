import type { IMatchCondition } from 'kubernetes-models/admissionregistration.k8s.io/v1/MatchCondition'
import type { IMatchResources } from 'kubernetes-models/admissionregistration.k8s.io/v1/MatchResources'
import type { IVariable } from 'kubernetes-models/admissionregistration.k8s.io/v1/Variable'
import type { IPod } from 'kubernetes-models/v1/Pod'

type Metadata = NonNullable<IPod['metadata']>
type ApiVersion = 'admissionregistration.k8s.io/v1'

/** From the API reference of Kubernetes 1.36; the package of models is older. */
export interface IMutatingAdmissionPolicy {
  apiVersion: ApiVersion
  kind: 'MutatingAdmissionPolicy'
  metadata: Metadata
  spec: {
    failurePolicy: 'Fail' | 'Ignore'
    reinvocationPolicy: 'IfNeeded' | 'Never'
    matchConstraints: IMatchResources
    matchConditions?: IMatchCondition[]
    variables?: IVariable[]
    mutations: { patchType: 'JSONPatch'; jsonPatch: { expression: string } }[]
  }
}

export interface IMutatingAdmissionPolicyBinding {
  apiVersion: ApiVersion
  kind: 'MutatingAdmissionPolicyBinding'
  metadata: Metadata
  spec: { policyName: string; matchResources?: IMatchResources }
}
