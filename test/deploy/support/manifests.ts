import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { IPodSpec } from 'kubernetes-models/v1/PodSpec'
import ts from 'typescript'
import { parseAllDocuments } from 'yaml'
import { ROOT } from './run.ts'

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

/** Parses a YAML stream. @throws if it is invalid or has a duplicate key. */
export const parseManifests = (stream: string): readonly Manifest[] =>
  parseAllDocuments(stream, { version: '1.1' }) // as Kubernetes does: 0444 is octal
    .map((document) => {
      if (document.errors.length > 0) throw document.errors[0]
      return document.toJS() as Manifest | null
    })
    .filter((manifest) => manifest !== null)

export const ofKind = (manifests: readonly Manifest[], kind: string): readonly Manifest[] =>
  manifests.filter((manifest) => manifest.kind === kind)

export const specOf = (manifests: readonly Manifest[], kind: string) =>
  ofKind(manifests, kind)[0]?.spec as Record<string, unknown>

export const podSpec = (workload: Manifest | undefined): IPodSpec => {
  const spec = workload?.spec as IPodSpec & { template?: { spec: IPodSpec } }
  return spec.template?.spec ?? spec
}

const modulePath = ({ apiVersion, kind }: Manifest): string =>
  apiVersion.startsWith('monitoring.coreos.com/')
    ? `@kubernetes-models/prometheus-operator/${apiVersion}/${kind}`
    : `kubernetes-models/${apiVersion}/${kind}`

/** The package of models lacks mutating policies, which have the fields of a validating one, and the two that are left out. */
const modelled = (manifest: Manifest): Manifest => {
  if (!manifest.kind.startsWith('Mutating')) return manifest
  const spec = { ...(manifest.spec as object), mutations: undefined, reinvocationPolicy: undefined }
  return { ...manifest, kind: manifest.kind.replace('Mutating', 'Validating'), spec }
}

const OPTIONS: ts.CompilerOptions = {
  allowImportingTsExtensions: true,
  lib: ['lib.es5.d.ts'],
  module: ts.ModuleKind.NodeNext,
  noEmit: true,
  skipLibCheck: true,
  strict: true,
  types: [],
}
/**
 * Returns what the API server would reject or ignore in the manifests: missing, mistyped or unknown fields. Schemas and
 * helm accept unknown fields. The compiler does not, if a manifest is written as a literal of its kind's type.
 */
export const mistakes = (manifests: readonly Manifest[]): readonly string[] => {
  const file = join(ROOT, `.tmp/manifests-${process.pid}.ts`)
  const source = manifests
    .map(modelled)
    .map(
      (manifest, index) =>
        `import type { I${manifest.kind} as T${index} } from '${modulePath(manifest)}'\n` +
        `export const m${index}: T${index} = ${JSON.stringify(manifest)}\n`,
    )
  writeFileSync(file, source.join(''))
  const program = ts.createProgram([file], OPTIONS)
  rmSync(file)
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
}
