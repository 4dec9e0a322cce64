import { join } from 'node:path'
import { PodMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor'
import { PrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule'
import { ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor'
import { DaemonSet } from 'kubernetes-models/apps/v1/DaemonSet'
import { Deployment } from 'kubernetes-models/apps/v1/Deployment'
import { StatefulSet } from 'kubernetes-models/apps/v1/StatefulSet'
import { Job } from 'kubernetes-models/batch/v1/Job'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget'
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap'
import { Pod } from 'kubernetes-models/v1/Pod'
import type { IPodSpec } from 'kubernetes-models/v1/PodSpec'
import { Secret } from 'kubernetes-models/v1/Secret'
import { Service } from 'kubernetes-models/v1/Service'
import { ServiceAccount } from 'kubernetes-models/v1/ServiceAccount'
import ts from 'typescript'
import { parseAllDocuments } from 'yaml'
import { ROOT } from './run.ts'

/** Every kind that is deployed. Another one has to be added here before it can be. */
const KINDS = {
  ConfigMap,
  DaemonSet,
  Deployment,
  Job,
  NetworkPolicy,
  Pod,
  PodDisruptionBudget,
  PodMonitor,
  PrometheusRule,
  Secret,
  Service,
  ServiceAccount,
  ServiceMonitor,
  StatefulSet,
}
/** Kinds without a schema in the package of models, typed in `admission-policy.ts`. */
const TYPED = ['MutatingAdmissionPolicy', 'MutatingAdmissionPolicyBinding'] as const
type Checked = keyof typeof KINDS
type Kind = Checked | (typeof TYPED)[number]
const isChecked = (kind: string): kind is Checked => Object.hasOwn(KINDS, kind)
const isTyped = (kind: string): boolean => TYPED.some((one) => one === kind)

export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly spec?: unknown
  readonly data?: Readonly<Record<string, string>>
}

/** The manifests of a YAML stream. @throws when it is not YAML or has a key twice. */
export const parseManifests = (stream: string): readonly Manifest[] =>
  parseAllDocuments(stream, { version: '1.1' }) // as Kubernetes does: 0444 is octal
    .map((document) => {
      if (document.errors.length > 0) throw document.errors[0]
      return document.toJS() as Manifest | null
    })
    .filter((manifest) => manifest !== null)

export const ofKind = (manifests: readonly Manifest[], kind: Kind): readonly Manifest[] =>
  manifests.filter((manifest) => manifest.kind === kind)

/** The pod template of a Deployment. */
export const podSpec = (deployment: Manifest | undefined): IPodSpec => {
  const { spec } = deployment as { spec: { template: { spec: IPodSpec } } }
  return spec.template.spec
}

const modulePath = ({ apiVersion, kind }: Manifest): string => {
  if (isTyped(kind)) return join(ROOT, 'test/deploy/support/admission-policy.ts')
  return apiVersion.startsWith('monitoring.coreos.com/')
    ? `@kubernetes-models/prometheus-operator/${apiVersion}/${kind}`
    : `kubernetes-models/${apiVersion}/${kind}`
}

/** What is missing or of the wrong type, by the schema that the API server validates with. */
const missingFields = (manifests: readonly Manifest[]): readonly string[] =>
  manifests.flatMap((manifest) => {
    const name = `${manifest.kind} ${manifest.metadata.name}`
    if (isTyped(manifest.kind)) return []
    if (!isChecked(manifest.kind)) return [`${name}: a kind that nobody checks`]
    try {
      new KINDS[manifest.kind](manifest as never).validate()
      return []
    } catch (error) {
      return [`${name}: ${error instanceof Error ? error.message : String(error)}`]
    }
  })

const OPTIONS: ts.CompilerOptions = {
  allowImportingTsExtensions: true,
  module: ts.ModuleKind.NodeNext,
  noEmit: true,
  skipLibCheck: true,
  strict: true,
  types: [],
}
/** Where the file would be; it is never written. */
const FILE = join(ROOT, 'test/deploy/support/generated-manifests.ts')
/** The declarations of the models are parsed once. */
let program: ts.Program | undefined

/**
 * Fields that the API does not know. Schemas let them pass, and so does helm; the compiler does not, when a manifest is
 * written as a literal of the type of its kind.
 */
const unknownFields = (manifests: readonly Manifest[]): readonly string[] => {
  const source = manifests.map(
    (manifest, index) =>
      `import type { I${manifest.kind} as T${index} } from '${modulePath(manifest)}'\n` +
      `export const m${index}: T${index} = ${JSON.stringify(manifest)}\n`,
  )
  const disk = ts.createCompilerHost(OPTIONS)
  const host: ts.CompilerHost = {
    ...disk,
    fileExists: (path) => path === FILE || disk.fileExists(path),
    getSourceFile: (path, target) =>
      path === FILE
        ? ts.createSourceFile(path, source.join(''), target)
        : (program?.getSourceFile(path) ?? disk.getSourceFile(path, target)),
  }
  program = ts.createProgram([FILE], OPTIONS, host, program)
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
}

/** Everything that is wrong with the manifests; empty: nothing. */
export const faults = (manifests: readonly Manifest[]): readonly string[] => [
  ...missingFields(manifests),
  ...unknownFields(manifests),
]
