import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PodMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor'
import { PrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule'
import { ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor'
import { Deployment } from 'kubernetes-models/apps/v1/Deployment'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget'
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap'
import type { IPodSpec } from 'kubernetes-models/v1/PodSpec'
import { Service } from 'kubernetes-models/v1/Service'
import { parseAllDocuments } from 'yaml'
import { ROOT, run } from './run.ts'

/** Every kind that is deployed. Another one has to be added here before it can be. */
const KINDS = {
  ConfigMap,
  Deployment,
  NetworkPolicy,
  PodDisruptionBudget,
  PodMonitor,
  PrometheusRule,
  Service,
  ServiceMonitor,
}
type Kind = keyof typeof KINDS
const isKind = (kind: string): kind is Kind => Object.hasOwn(KINDS, kind)

export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }
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

const modulePath = ({ apiVersion, kind }: Manifest): string =>
  apiVersion.startsWith('monitoring.coreos.com/')
    ? `@kubernetes-models/prometheus-operator/${apiVersion}/${kind}`
    : `kubernetes-models/${apiVersion}/${kind}`

/** What is missing or of the wrong type, by the schema that the API server validates with. */
const missingFields = (manifests: readonly Manifest[]): readonly string[] =>
  manifests.flatMap((manifest) => {
    const name = `${manifest.kind} ${manifest.metadata.name}`
    if (!isKind(manifest.kind)) return [`${name}: a kind that nobody checks`]
    try {
      new KINDS[manifest.kind](manifest as never).validate()
      return []
    } catch (error) {
      return [`${name}: ${error instanceof Error ? error.message : String(error)}`]
    }
  })

/**
 * Fields that the API does not know. Schemas let them pass, and so does helm; the compiler does not, when a manifest is
 * written as a literal of the type of its kind.
 */
const unknownFields = async (manifests: readonly Manifest[]): Promise<readonly string[]> => {
  await mkdir(join(ROOT, '.tmp'), { recursive: true })
  const home = await mkdtemp(join(ROOT, '.tmp/manifests-'))
  try {
    const lines = manifests.map(
      (manifest, index) =>
        `import type { I${manifest.kind} as T${index} } from '${modulePath(manifest)}'\n` +
        `export const m${index}: T${index} = ${JSON.stringify(manifest)}\n`,
    )
    await writeFile(join(home, 'manifests.ts'), lines.join(''))
    const args = ['--noEmit', '--strict', '--skipLibCheck', '--ignoreConfig']
    const modules = ['--module', 'nodenext', 'manifests.ts']
    const tsc = join(ROOT, 'node_modules/.bin/tsc')
    const { code, stdout, stderr } = await run(tsc, [...args, ...modules], { cwd: home })
    return code === 0 ? [] : [stdout + stderr]
  } finally {
    await rm(home, { recursive: true })
  }
}

/** Everything that is wrong with the manifests; empty: nothing. */
export const faults = async (manifests: readonly Manifest[]): Promise<readonly string[]> => [
  ...missingFields(manifests),
  ...(await unknownFields(manifests)),
]
