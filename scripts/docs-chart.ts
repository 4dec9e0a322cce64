import { readFileSync } from 'node:fs'
import { isMap, parseDocument, type Scalar, type YAMLMap } from 'yaml'
import { SETTING_LIST, type Setting } from '../src/config/settings.ts'

const CHART = 'helm/isales-auth-proxy'
const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

/** Files that the chart copies or derives from values.yaml, by name, because Helm reads nothing outside of a chart. */
export function chartFiles(): readonly (readonly [string, string])[] {
  const rows = rowsOf(read(`${CHART}/values.yaml`))
  return [
    [`${CHART}/values.schema.json`, json(valuesSchema(rows))],
    [`${CHART}/files/settings.json`, json(settingRanges())],
    [`${CHART}/LICENSE`, read('LICENSE')],
  ]
}

/** A value that values.yaml documents by a comment that begins with `# --`. */
interface Row {
  readonly path: string
  readonly default: unknown
}

function rowsOf(yaml: string): readonly Row[] {
  const document = parseDocument<YAMLMap<Scalar<string>>>(yaml)
  const walk = (
    map: YAMLMap<Scalar<string>>,
    comment: string,
    path: readonly string[],
  ): readonly Row[] =>
    map.items.flatMap(({ key, value }, index) => {
      // yaml attaches the comment before a map's first key to the map.
      const before = key.commentBefore ?? (index === 0 ? comment : '')
      const isRow = /^ -- /m.test(before)
      const name = [...path, key.value]
      if (!isRow && isMap<Scalar<string>>(value))
        return walk(value, value.commentBefore ?? '', name)
      if (!isRow) throw new Error(`values.yaml says nothing about ${name.join('.')}`)
      const found = name.reduce((at, each) => (at as never)[each], document.toJS() as unknown)
      return [{ path: name.join('.'), default: found }]
    })
  // yaml attaches the comment before the very first key to the document, after the heading.
  return document.contents === null ? [] : walk(document.contents, document.commentBefore ?? '', [])
}

interface Schema {
  readonly [keyword: string]: unknown
  readonly type?: string | readonly string[]
  readonly properties?: Readonly<Record<string, Schema>>
}

const SERVER = String.raw`(\[[0-9A-Fa-f:.]+\]|[^\[\]:@/?#\s\\]+)(:[0-9]{1,5})?`
/** A name or an address, without port. */
const HOST = String.raw`(\[[0-9A-Fa-f:.]+\]|[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*|[0-9A-Za-z_.-]+)`
const HEADER = String.raw`[!#$%&'*+.^_|~0-9A-Za-z-]+`
const NUMBER = String.raw`[0-9]+(\.[0-9]+)?`
const FILE = String.raw`(/[^\x00-\x1f\x7f]*)?`
const PATH = '/[0-9A-Za-z._~/-]*'
const listOf = (entry: string): string => `${entry}( *, *${entry})*`

/** Syntax of every kind of setting as RE2 patterns for Helm; the program checks the rest. */
const PATTERNS: Readonly<Record<Exclude<Setting['kind'], 'choice' | 'secret'>, string>> = {
  address: String.raw`(\[[0-9A-Fa-f:.]+\]|[^:\[\]\s/]*):[0-9]{1,5}`,
  'client-names': String.raw`[^\x00-\x1f\x7f]+`,
  count: '[0-9]+',
  duration: `${NUMBER}(ms|s|m|h)?`,
  file: FILE,
  'host-names': `(${listOf(HOST)})?`,
  // Suffixes, networks and ports also count as hosts.
  hosts: String.raw`[0-9A-Za-z_.:/*\[\], -]*`,
  origin: `https?://${SERVER}/?`,
  path: PATH,
  paths: listOf(PATH),
  // A password would be readable in the manifest; with `extraEnv`, the address can be in a Secret.
  'proxy-url': `(https?://)?${SERVER}/?`,
  rejections: listOf('(4[0-9]{2}|result=[^,]{1,64})'),
  'server-name': '[0-9A-Za-z_.-]{1,253}',
  size: `${NUMBER}([KMG]iB|B)?`,
  'store-url': `(redis|valkey)s?://([^:@/]*@)?${SERVER}(/[0-9]{0,5})?`,
  'token-header': String.raw`${listOf(HEADER)}: *(${HEADER} +)?\{(token|refreshToken)\}`,
  user: String.raw`[^\x00-\x1f\x7f]{1,49}`,
}

/**
 * YAML values that are allowed for a setting; null removes a value of another values file. The templates refuse
 * secrets.
 */
function settingSchema({ kind, choices = [], range }: Setting): Schema {
  if (kind === 'secret') return {}
  if (kind === 'choice')
    return { enum: [...(choices.includes('true') ? [true, false] : []), ...choices, null] }
  const pattern = `^(${[...choices, PATTERNS[kind]].join('|')})$`
  if (kind === 'rejections')
    return { type: ['integer', 'string', 'null'], minimum: 400, maximum: 499, pattern }
  if (range) return { type: ['number', 'string', 'null'], minimum: 0, pattern }
  return { type: ['string', 'null'], pattern }
}

/** Every setting by its variable; a secret only as the name of a file. */
function settingSchemas(): Readonly<Record<string, Schema>> {
  const file: Schema = { type: ['string', 'null'], pattern: `^${FILE}$` }
  const entries = SETTING_LIST.flatMap((setting) => {
    const { name, fileName } = setting
    const own = fileName === name ? [] : [[name, settingSchema(setting)]]
    return fileName ? [...own, [fileName, file]] : own
  })
  return Object.fromEntries(entries) as Readonly<Record<string, Schema>>
}

/** Limits of settings, as numbers, with units, and in words, for the templates. */
function settingRanges(): object {
  const ranges = SETTING_LIST.flatMap(({ name, range, kind }) => {
    if (range === undefined || kind === 'secret') return []
    const { min, max, units } = range
    const numberOf = (text: string): number =>
      parseFloat(text) * (units[text.replace(/^[\d.]+/, '')] ?? 1)
    return [[name, { min: numberOf(min), max: numberOf(max), units, limits: `${min} to ${max}` }]]
  })
  return Object.fromEntries(ranges) as object
}

const port: Schema = { type: 'integer', minimum: 1, maximum: 65_535 }
const textOf = (pattern: string): Schema => ({
  type: ['string', 'null'],
  pattern: `^(${pattern})?$`,
})
const arrayOf = (items: Schema): Schema => ({ type: ['array', 'null'], items })
const objects = arrayOf({ type: 'object' })
const mapOf = (names: string, additionalProperties: Schema): Schema => ({
  type: ['object', 'null'],
  propertyNames: { pattern: `^${names}$` },
  additionalProperties,
})
const REGISTRY = '[0-9A-Za-z.-]+(:[0-9]{1,5})?(/[0-9a-z._-]+)*/?'
const LABEL = '[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?'
const text: Schema = { type: ['string', 'null'] }
const flag: Schema = { type: ['boolean', 'null'] }
/** A user or a group. */
const id: Schema = { type: ['integer', 'null'], minimum: 0, maximum: 2_147_483_647 }
/** An object that may be missing, with no other members than these. */
const memberOf = (properties: Readonly<Record<string, Schema>>): Schema => ({
  type: ['object', 'null'],
  additionalProperties: false,
  properties,
})
const volumeName: Schema = { type: 'string', pattern: `^${LABEL}$` }
const mount: Schema = {
  ...memberOf({
    name: volumeName,
    mountPath: { type: 'string', pattern: '^[^:]+$' },
    mountPropagation: text,
    readOnly: flag,
    recursiveReadOnly: text,
    subPath: text,
    subPathExpr: text,
  }),
  type: 'object',
  required: ['name', 'mountPath'],
}
/** Format of the names of Kubernetes objects. */
const NAME = String.raw`[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*`
const nameOf = (): Schema => ({ ...textOf(NAME), maxLength: 253 })
/** A key of a Secret or a ConfigMap. */
const KEY = '[-._0-9A-Za-z]{1,253}'
const LABEL_VALUE = '([0-9A-Za-z]([-._0-9A-Za-z]{0,61}[0-9A-Za-z])?)?'
const PART = '[0-9A-Za-z]([-._0-9A-Za-z]{0,61}[0-9A-Za-z])?'
/** The name of a label or an annotation of Kubernetes, with an optional domain. */
const QUALIFIED = `(${NAME}/)?${PART}`

const NUMERAL = String.raw`([0-9]+(\.[0-9]*)?|\.[0-9]+)`
const EXPONENT = '[eE][-+]?[0-9]{1,2}'
/** A quantity of Kubernetes. A fraction of a byte starts no container. */
const quantityOf = (units: string): Schema => ({
  type: ['number', 'string', 'null'],
  minimum: 0,
  maximum: 1e15,
  pattern: `^${NUMERAL}(${units}|${EXPONENT})?$`,
})
const size = quantityOf('[KMGTPE]i|[kMGTPE]')
const quantity = quantityOf('[KMGTPE]i|[numkMGTPE]')
/** Helm 4 names the path of a name that no pattern allows, but not of one that `propertyNames` refuses. */
const quantities: Schema = {
  ...memberOf({ cpu: quantity, memory: size, 'ephemeral-storage': size }),
  patternProperties: { [`^(hugepages-[0-9A-Za-z]+|${NAME}/${PART})$`]: quantity },
}
const profile = memberOf({
  type: { enum: ['RuntimeDefault', 'Unconfined', 'Localhost', null] },
  localhostProfile: text,
})
/** Fields that the security contexts of a pod and of a container share. */
const securityContext: Readonly<Record<string, Schema>> = {
  runAsUser: id,
  runAsGroup: id,
  runAsNonRoot: flag,
  seccompProfile: profile,
  appArmorProfile: profile,
  seLinuxOptions: memberOf({ level: text, role: text, type: text, user: text }),
}

const pullSecrets = arrayOf({
  type: ['string', 'object'],
  pattern: `^${NAME}$`,
  maxLength: 253,
  required: ['name'],
  properties: { name: { type: 'string', pattern: `^${NAME}$`, maxLength: 253 } },
})

/** Constraints that do not follow from a default. */
const SCHEMAS: Readonly<Record<string, Schema>> = {
  mode: { enum: ['auto', 'standalone', 'sidecar'] },
  // A Service has this name.
  fullnameOverride: textOf('[a-z]([-a-z0-9]{0,51}[a-z0-9])?'),
  'global.imageRegistry': textOf(REGISTRY),
  'global.imagePullSecrets': pullSecrets,
  'image.registry': textOf(REGISTRY),
  'image.repository': { type: 'string', pattern: '^[0-9a-z./_-]+$' },
  'image.tag': textOf(String.raw`[0-9A-Za-z_][0-9A-Za-z_.-]*`),
  'image.digest': textOf('sha256:[0-9a-f]{64}'),
  imagePullSecrets: pullSecrets,
  settings: { type: ['object', 'null'], additionalProperties: false, properties: settingSchemas() },
  extraEnv: arrayOf({
    type: 'object',
    required: ['name'],
    properties: {
      name: { type: 'string', pattern: '^[-._A-Za-z][-._0-9A-Za-z]*$' },
      value: { type: ['string', 'null'] },
    },
  }),
  resources: memberOf({
    limits: quantities,
    requests: quantities,
    claims: arrayOf({ type: 'object' }),
  }),
  containerSecurityContext: memberOf({
    ...securityContext,
    allowPrivilegeEscalation: flag,
    capabilities: memberOf({ add: arrayOf({ type: 'string' }), drop: arrayOf({ type: 'string' }) }),
    // With `allowPrivilegeEscalation: false`, the API server refuses a privileged container.
    privileged: { enum: [false, null] },
    procMount: { enum: ['Default', 'Unmasked', null] },
    readOnlyRootFilesystem: flag,
  }),
  podSecurityContext: memberOf({
    ...securityContext,
    fsGroup: id,
    fsGroupChangePolicy: { enum: ['Always', 'OnRootMismatch', null] },
    seLinuxChangePolicy: { enum: ['MountOption', 'Recursive', null] },
    supplementalGroups: arrayOf({ ...id, type: 'integer' }),
    supplementalGroupsPolicy: { enum: ['Merge', 'Strict', null] },
    sysctls: objects,
  }),
  extraVolumes: arrayOf({ type: 'object', required: ['name'], properties: { name: volumeName } }),
  extraVolumeMounts: arrayOf(mount),
  'secret.name': nameOf(),
  'tls.secretName': nameOf(),
  'isalesClientCert.secretName': nameOf(),
  'sessionStore.secretName': nameOf(),
  'standalone.priorityClassName': nameOf(),
  // Also the name of a policy.
  'injection.label': textOf(LABEL),
  'injection.namespaces': arrayOf({ type: 'string', pattern: `^${LABEL}$` }),
  'standalone.replicas': { type: ['integer', 'null'], minimum: 0 },
  'standalone.strategy': { enum: ['RollingUpdate', 'Recreate'] },
  'standalone.service.type': { enum: ['ClusterIP', 'NodePort', 'LoadBalancer'] },
  'standalone.service.port': port,
  'standalone.service.nodePort': { ...port, type: ['integer', 'null'] },
  'standalone.service.externalTrafficPolicy': { enum: ['', 'Cluster', 'Local'] },
  'standalone.service.loadBalancerSourceRanges': arrayOf({
    type: 'string',
    pattern: '^[0-9A-Fa-f.:]+/[0-9]{1,3}$',
  }),
  'standalone.service.hosts': arrayOf({ type: 'string', pattern: `^${HOST}$` }),
  'prometheusRule.jobNamespaces': arrayOf({
    type: 'string',
    pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$',
  }),
  'prometheusRule.alerts': { type: ['object', 'null'], additionalProperties: { type: 'object' } },
}
/** Maps with known keys. The API server checks Kubernetes's own maps. */
const KEYS = /^(?:secret\.keys|isalesCa|sessionStore\.(?:keys|ca))$/
/** Keys of a Secret that may be missing. */
const MAY_BE_EMPTY = new Set(['obsPassword', 'password', 'configMapName'])

function valueSchema({ path, default: found }: Row): Schema {
  if (KEYS.test(path)) {
    const entries = Object.keys(found as object).map((key) => {
      const isFree = path !== 'secret.keys' || key === 'obsPassword' ? MAY_BE_EMPTY.has(key) : false
      if (key === 'configMapName') return [key, nameOf()]
      return [key, isFree ? textOf(KEY) : { type: 'string', pattern: `^${KEY}$` }]
    })
    return closed(Object.fromEntries(entries) as Readonly<Record<string, Schema>>)
  }
  if (Array.isArray(found)) return objects
  if (typeof found === 'boolean') return { type: 'boolean' }
  if (typeof found === 'number') return { type: 'integer', minimum: 1 }
  if (typeof found !== 'object') return { type: ['string', 'null'] }
  if (path === 'prometheusRule.additionalLabels')
    return mapOf('[A-Za-z_][0-9A-Za-z_]*', { type: 'string' })
  if (/annotations$/i.test(path)) return mapOf(QUALIFIED, { type: 'string' })
  return /(?:labels|nodeSelector)$/i.test(path)
    ? mapOf(QUALIFIED, { type: 'string', pattern: `^${LABEL_VALUE}$` })
    : { type: ['object', 'null'] }
}

/** Null removes an optional value. The templates require the others, which have a default. */
function closed(properties: Readonly<Record<string, Schema>>): Schema {
  const required = Object.keys(properties).filter((name) => {
    const { type, enum: choices } = properties[name] ?? {}
    return Array.isArray(choices) ? !choices.includes('') : !type?.includes('null')
  })
  return { type: 'object', additionalProperties: false, required, properties }
}

function valuesSchema(rows: readonly Row[]): Schema {
  const build = (prefix: string): Schema => {
    const below = rows.filter(({ path }) => path.startsWith(prefix))
    const names = new Set(below.map(({ path }) => path.slice(prefix.length).split('.')[0] ?? ''))
    const entries = Array.from(names, (name) => {
      const row = below.find(({ path }) => path === prefix + name)
      if (row === undefined) return [name, build(`${prefix}${name}.`)]
      return [name, SCHEMAS[row.path] ?? valueSchema(row)]
    })
    return closed(Object.fromEntries(entries) as Readonly<Record<string, Schema>>)
  }
  const whole = build('')
  // A parent chart puts values of its own there.
  const { global = {}, ...properties } = whole.properties ?? {}
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    ...whole,
    properties: { ...properties, global: { ...global, additionalProperties: true } },
  }
}

/** Formats JSON, with values that fit into 100 columns on one line. */
function json(value: unknown): string {
  const print = (one: unknown, indent: string): string => {
    const line = JSON.stringify(one, null, 1).replaceAll(/\n */g, ' ')
    if (typeof one !== 'object' || one === null || indent.length + line.length < 100) return line
    const deeper = `${indent} `
    const isList = Array.isArray(one)
    const lines = Object.entries(one).map(
      ([key, each]) => `${deeper}${isList ? '' : `${JSON.stringify(key)}: `}${print(each, deeper)}`,
    )
    const [open, close] = isList ? '[]' : '{}'
    return `${open}\n${lines.join(',\n')}\n${indent}${close}`
  }
  return `${print(value, '')}\n`
}
