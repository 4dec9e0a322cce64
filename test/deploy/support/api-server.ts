import { writeFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { serveHttp } from '../../support/http-server.ts'
import { temporaryDirectory } from '../../support/temporary.ts'

/** Kinds by group and version, as far as a release with injection and its history need them. */
const KINDS: Readonly<Record<string, readonly (readonly [kind: string, ofCluster?: true])[]>> = {
  v1: [['Secret'], ['Namespace', true]],
  'admissionregistration.k8s.io/v1': [
    ['MutatingAdmissionPolicy', true],
    ['MutatingAdmissionPolicyBinding', true],
  ],
  'monitoring.coreos.com/v1': [['PodMonitor']],
}
const VERBS = ['create', 'delete', 'get', 'list', 'patch', 'update']
const plural = (kind: string) => kind.toLowerCase().replace(/y$/, 'ie') + 's'

interface Stored {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>> }
}

/**
 * A stand-in for an API server that keeps objects and checks nothing, for what a real helm does by itself: whose an
 * object is. Returns the path of its kubeconfig.
 */
export const openApiServer = async () => {
  const objects = new Map<string, Stored>()
  const resourcesOf = (groupVersion: string) =>
    (KINDS[groupVersion] ?? []).map(([kind, ofCluster]) => ({
      name: plural(kind),
      singularName: kind.toLowerCase(),
      namespaced: !ofCluster,
      kind,
      verbs: VERBS,
    }))
  const discovery = (path: string): unknown => {
    if (path === '/version') return { major: '1', minor: '36', gitVersion: 'v1.36.0' }
    if (path === '/api') return { kind: 'APIVersions', versions: ['v1'] }
    if (path === '/apis') {
      const groups = Object.keys(KINDS)
        .filter((one) => one !== 'v1')
        .map((groupVersion) => {
          const [name, version] = groupVersion.split('/')
          return {
            name,
            versions: [{ groupVersion, version }],
            preferredVersion: { groupVersion, version },
          }
        })
      return { kind: 'APIGroupList', apiVersion: 'v1', groups }
    }
    const [, groupVersion = ''] = /^\/apis?\/((?:[\w.]+\/)?v1)$/.exec(path) ?? []
    if (!(groupVersion in KINDS)) return undefined
    return {
      kind: 'APIResourceList',
      apiVersion: 'v1',
      groupVersion,
      resources: resourcesOf(groupVersion),
    }
  }
  const list = (path: string, selector: string): unknown => {
    const wanted = selector.split(',').map((one) => one.split('='))
    const items = [...objects].flatMap(([name, object]) => {
      const isThere = name.startsWith(`${path}/`) && !name.slice(path.length + 1).includes('/')
      const labels = object.metadata.labels ?? {}
      return isThere && wanted.every(([key = '', value]) => key === '' || labels[key] === value)
        ? [object]
        : []
    })
    return { kind: 'List', apiVersion: 'v1', metadata: {}, items }
  }
  /** The status, and the object. */
  const reply = (method: string, url: URL, body: string): readonly [number, unknown] => {
    const path = url.pathname
    const found = objects.get(path)
    if (method === 'GET') {
      const last = path.split('/').at(-1) ?? ''
      const isList = Object.values(KINDS)
        .flat()
        .some(([kind]) => plural(kind) === last)
      const object =
        discovery(path) ??
        found ??
        (isList && list(path, url.searchParams.get('labelSelector') ?? ''))
      return object ? [200, object] : [404, status(404, 'NotFound')]
    }
    if (method === 'DELETE') {
      objects.delete(path)
      return [200, status(200, '')]
    }
    // Helm's own record of the release, which comes in Protocol Buffers, is taken and forgotten.
    if (path.includes('/secrets')) return [201, { kind: 'Secret', apiVersion: 'v1', metadata: {} }]
    const given = parse(body) as Stored & { readonly metadata: { readonly name: string } }
    const at = method === 'POST' ? `${path}/${given.metadata.name}` : path
    if (method === 'POST' && objects.has(at)) return [409, status(409, 'AlreadyExists')]
    objects.set(at, given)
    return [method === 'POST' ? 201 : 200, given]
  }
  const server = await serveHttp((request, response) => {
    void text(request).then((body) => {
      const [code, object] = reply(
        request.method ?? '',
        new URL(request.url ?? '', 'http://x'),
        body,
      )
      response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(object))
    })
  })
  const kubeconfig = join(temporaryDirectory(), 'kubeconfig')
  const entry = {
    name: 'it',
    cluster: { server: server.url },
    context: { cluster: 'it', user: 'it' },
  }
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [entry],
    contexts: [entry],
    users: [{ name: 'it', user: {} }],
  }
  writeFileSync(kubeconfig, stringify({ ...config, 'current-context': 'it' }))
  return { kubeconfig, stop: server.close }
}

const status = (code: number, reason: string) => ({
  kind: 'Status',
  apiVersion: 'v1',
  status: code < 300 ? 'Success' : 'Failure',
  code,
  reason,
  message: reason,
})
