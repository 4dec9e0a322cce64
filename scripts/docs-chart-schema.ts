import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { SETTING_LIST, type Setting } from '../src/config/settings.ts'
import type { Kind } from '../src/setting-problem.ts'

interface Schema {
  readonly [keyword: string]: unknown
  properties?: Record<string, Schema>
}

/** What a text of each format looks like. Helm reads these, in the syntax of RE2. */
const HOST = String.raw`(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z_:.-]+)`
const PATH = String.raw`/[0-9A-Za-z._~/-]*`
const listOf = (entry: string): string => `${entry}( *, *${entry})*`
const NAME = String.raw`[!#$%&'*+.^_|~0-9A-Za-z-]{1,128}`
const PATTERNS: Readonly<Record<Exclude<Kind, 'choice'>, string>> = {
  address: String.raw`(\[[0-9A-Fa-f:.]+\]|[^:\[\]\s/]*):[0-9]{1,5}`,
  count: '[0-9]+',
  duration: String.raw`[0-9]+(\.[0-9]+)?(ms|s|m|h)?`,
  file: String.raw`(/[^\x00-\x1f\x7f]*)?`,
  'host-names': `(${listOf(HOST)})?`,
  hosts: String.raw`[0-9A-Za-z_.:/*\[\], -]*`,
  origin: String.raw`https?://[^@/?#\s\\]+/?`,
  path: PATH,
  paths: listOf(PATH),
  // A password would be in the manifest for all to read: `extraEnv` takes such an address from a Secret.
  'proxy-url': String.raw`(https?://)?[^@/?#\s\\]+/?`,
  rejections: listOf('(4[0-9]{2}|result=[^,]{1,64})'),
  secret: '.*',
  'server-name': '[0-9A-Za-z_.-]{1,253}',
  size: String.raw`[0-9]+(\.[0-9]+)?([KMG]iB|B)?`,
  'store-url': String.raw`(redis|valkey)s?://([^:@/]*@)?[^@/?#\s]+(/[0-9]{0,5})?`,
  'token-header': String.raw`${listOf(NAME)}: *([^\s]+ +)?\{(token|refreshToken)\}`,
  user: String.raw`[^\x00-\x1f\x7f]{0,49}`,
}

/** What each setting does, by its variables: the last cell of its row in docs/configuration.md. */
const DOCS: ReadonlyMap<string, string> = new Map(
  readFileSync(new URL('../docs/configuration.md', import.meta.url), 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [names = '', , , doc = ''] = line.split(' | ')
      const variables = names.match(/`\w+`/g) ?? []
      return variables.map((name) => [name.slice(1, -1), doc.replace(/ \|$/, '')] as const)
    }),
)

/** What YAML may hold for a setting. */
function schemaOfSetting(setting: Setting): Schema {
  const { name, kind, choices = [], range } = setting
  const description = DOCS.get(name)
  if (kind === 'choice') {
    const values = choices[0] === 'true' ? [true, false, ...choices] : choices
    return { enum: [...values], description }
  }
  const one = PATTERNS[kind]
  const text = { pattern: `^${choices.includes('off') ? `(off|${one})` : one}$`, description }
  if (kind === 'rejections')
    return { type: ['integer', 'string'], minimum: 400, maximum: 499, ...text }
  if (range === undefined) return { type: 'string', ...text }
  // A number is in the unit that needs no name. The limits of a text with a unit are checked by the templates.
  const { ['']: factor = 1 } = range.units
  return {
    type: [kind === 'duration' ? 'number' : 'integer', 'string'],
    minimum: Number(setting.parse(range.min)) / factor,
    maximum: Number(setting.parse(range.max)) / factor,
    ...text,
  }
}

const orNull = ({ type, enum: choices, ...rest }: Schema): Schema => ({
  ...(type !== undefined && { type: [type, 'null'].flat() }),
  ...(Array.isArray(choices) && { enum: [...(choices as unknown[]), null] }),
  ...rest,
})

/** Each setting by the name of its variable; secrets only as the name of a file. */
function settings(): Record<string, Schema> {
  const properties: Record<string, Schema> = {}
  for (const setting of SETTING_LIST) {
    const { name, kind, fileName } = setting
    // The templates say of a secret where it belongs; null takes away what another values file says.
    if (kind !== 'secret') properties[name] = orNull(schemaOfSetting(setting))
    else if (name !== fileName) properties[name] = {}
    if (fileName !== undefined)
      properties[fileName] = {
        type: ['string', 'null'],
        pattern: `^${PATTERNS.file}$`,
        description: `A file with it. ${DOCS.get(name)}`,
      }
  }
  return properties
}

/** The settings with limits, for the templates: limits, units, and both in words. */
export function settingRanges(): string {
  const ranges = SETTING_LIST.flatMap(({ name, kind, range, parse }) => {
    if (range === undefined || kind === 'secret') return []
    const [min, max] = [parse(range.min), parse(range.max)]
    const limits = `${range.min} to ${range.max}`
    return [[name, { min, max, zero: false, units: range.units, limits }] as const]
  })
  return json(Object.fromEntries(ranges))
}

/** With an object that holds no other on one line. */
function json(value: unknown): string {
  const text = JSON.stringify(value, null, 1)
  return `${text.replaceAll(/\{\n[^{}]*\}/g, (leaf) => leaf.replaceAll(/\s*\n\s*/g, ' '))}\n`
}

/** Values that Kubernetes or the Prometheus Operator defines, by their path, with their types there. */
const FOREIGN = `
import type { IHorizontalPodAutoscalerBehavior } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscalerBehavior'
import type { IAffinity } from 'kubernetes-models/v1/Affinity'
import type { IEnvVar } from 'kubernetes-models/v1/EnvVar'
import type { IHostAlias } from 'kubernetes-models/v1/HostAlias'
import type { ILocalObjectReference } from 'kubernetes-models/v1/LocalObjectReference'
import type { IPodDNSConfig } from 'kubernetes-models/v1/PodDNSConfig'
import type { IPodSecurityContext } from 'kubernetes-models/v1/PodSecurityContext'
import type { IProbe } from 'kubernetes-models/v1/Probe'
import type { IResourceRequirements } from 'kubernetes-models/v1/ResourceRequirements'
import type { ISecurityContext } from 'kubernetes-models/v1/SecurityContext'
import type { IToleration } from 'kubernetes-models/v1/Toleration'
import type { ITopologySpreadConstraint } from 'kubernetes-models/v1/TopologySpreadConstraint'
import type { IVolume } from 'kubernetes-models/v1/Volume'
import type { IVolumeMount } from 'kubernetes-models/v1/VolumeMount'
import type { INetworkPolicyEgressRule } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicyEgressRule'
import type { INetworkPolicyIngressRule } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicyIngressRule'
import type { INetworkPolicyPeer } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicyPeer'
import type { ILabelSelector } from '@kubernetes-models/apimachinery/apis/meta/v1/LabelSelector'
import type { IPodMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor'
type Timing = Omit<IProbe, 'exec' | 'grpc' | 'httpGet' | 'tcpSocket'>
type Endpoint = NonNullable<NonNullable<IPodMonitor['spec']>['podMetricsEndpoints']>[number]
type Relabelings = NonNullable<Endpoint['relabelings']>
type Peers = INetworkPolicyPeer[]
type PullSecrets = (ILocalObjectReference | string)[]
export interface Foreign {
  'global.imagePullSecrets': PullSecrets
  imagePullSecrets: PullSecrets
  extraEnv: IEnvVar[]
  resources: IResourceRequirements
  containerSecurityContext: ISecurityContext
  podSecurityContext: IPodSecurityContext
  startupProbe: Timing
  livenessProbe: Timing
  readinessProbe: Timing
  extraVolumeMounts: IVolumeMount[]
  extraVolumes: IVolume[]
  'standalone.topologySpreadConstraints': ITopologySpreadConstraint[]
  'standalone.tolerations': IToleration[]
  'standalone.affinity': IAffinity
  'standalone.dnsConfig': IPodDNSConfig
  'standalone.hostAliases': IHostAlias[]
  'autoscaling.behavior': IHorizontalPodAutoscalerBehavior
  'networkPolicy.podSelector': ILabelSelector
  'networkPolicy.prometheus': Peers
  'networkPolicy.clients': Peers
  'networkPolicy.isales': Peers
  'networkPolicy.store': Peers
  'networkPolicy.extraIngress': INetworkPolicyIngressRule[]
  'networkPolicy.extraEgress': INetworkPolicyEgressRule[]
  'podMonitor.selector': ILabelSelector
  'podMonitor.relabelings': Relabelings
  'serviceMonitor.relabelings': Relabelings
}
`
const FILE = fileURLToPath(new URL('foreign.ts', import.meta.url))

/** The schemas of those values, and of the named types in them. Objects are closed; null takes a default away. */
function foreign() {
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    skipLibCheck: true,
    strict: true,
    types: [],
  }
  const disk = ts.createCompilerHost(options)
  const program = ts.createProgram([FILE], options, {
    ...disk,
    fileExists: (path) => path === FILE || disk.fileExists(path),
    getSourceFile: (path, target) =>
      path === FILE ? ts.createSourceFile(path, FOREIGN, target) : disk.getSourceFile(path, target),
  })
  const checker = program.getTypeChecker()
  const source = program.getSourceFile(FILE)
  const declared = source?.statements.find(ts.isInterfaceDeclaration)
  if (source === undefined || declared === undefined) throw new Error('no interface Foreign')
  const definitions: Record<string, Schema> = {}

  const schemaOf = (given: ts.Type): Schema => {
    const type = checker.getNonNullableType(given)
    if (type.aliasSymbol?.name === 'IQuantity' || checker.typeToString(type) === 'IQuantity')
      return { type: ['string', 'number', 'null'], pattern: QUANTITY }
    if (type.isUnion()) {
      const values = type.types.flatMap((one) => (one.isStringLiteral() ? [one.value] : []))
      if (values.length === type.types.length) return { enum: [...values, null] }
      if (type.types.every((one) => (one.flags & ts.TypeFlags.BooleanLike) !== 0))
        return { type: ['boolean', 'null'] }
      return { anyOf: type.types.map(schemaOf) }
    }
    if (type.isStringLiteral()) return { enum: [type.value, null] }
    if ((type.flags & ts.TypeFlags.String) !== 0) return { type: ['string', 'null'] }
    if ((type.flags & ts.TypeFlags.Number) !== 0) return { type: ['number', 'null'] }
    if ((type.flags & ts.TypeFlags.Boolean) !== 0) return { type: ['boolean', 'null'] }
    if (checker.isArrayType(type)) {
      const [items] = checker.getTypeArguments(type as ts.TypeReference)
      return { type: ['array', 'null'], items: items === undefined ? {} : schemaOf(items) }
    }
    if ((type.flags & ts.TypeFlags.Object) === 0) return {}
    const map = checker.getIndexTypeOfType(type, ts.IndexKind.String)
    if (map !== undefined) return { type: ['object', 'null'], additionalProperties: schemaOf(map) }
    const name = type.symbol.name.replace(/^I(?=[A-Z])/, '')
    if (type.aliasSymbol === undefined && /^[A-Z]/.test(name)) {
      // Before its properties, which may be of the same type.
      definitions[name] ??= Object.assign((definitions[name] = {}), closed(type))
      return { $ref: `#/definitions/${name}` }
    }
    return closed(type)
  }
  const closed = (type: ts.Type): Schema => {
    const all = checker.getPropertiesOfType(type)
    const required = all.filter(({ flags }) => (flags & ts.SymbolFlags.Optional) === 0)
    return {
      type: ['object', 'null'],
      ...(required.length > 0 && { required: required.map(({ name }) => name) }),
      additionalProperties: false,
      properties: Object.fromEntries(
        all.map((one) => [one.name, schemaOf(checker.getTypeOfSymbolAtLocation(one, source))]),
      ),
    }
  }
  const { properties = {} } = closed(checker.getTypeAtLocation(declared))
  return { properties, definitions }
}
const QUANTITY = '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'

/** The schema of values.yaml, with its settings and foreign values written anew. */
export function valuesSchema(former: string): string {
  const whole = JSON.parse(former) as Schema
  const { properties, definitions } = foreign()
  const place = (path: string, schema: Schema): void => {
    const keys = path.split('.')
    const last = keys.pop() ?? ''
    const parent = keys.reduce((at, key) => at.properties?.[key] ?? {}, whole)
    if (parent.properties?.[last] === undefined) throw new Error(`values.yaml has no ${path}`)
    parent.properties[last] = schema
  }
  for (const [path, schema] of Object.entries(properties)) place(path, schema)
  const host = { type: 'string', pattern: `^${HOST}$` }
  place('standalone.service.hosts', { type: 'array', items: host })
  place('settings', { type: 'object', additionalProperties: false, properties: settings() })
  return json({ ...whole, definitions })
}
