import { writeFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { serveHttp } from '../../support/http-server.ts'
import { temporaryDirectory } from '../../support/temporary.ts'

/** The kinds of a release with injection, by group, with their plurals. */
const KINDS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'admissionregistration.k8s.io': {
    MutatingAdmissionPolicy: 'mutatingadmissionpolicies',
    MutatingAdmissionPolicyBinding: 'mutatingadmissionpolicybindings',
  },
  'monitoring.coreos.com': { PodMonitor: 'podmonitors' },
}

/** What kubectl and helm ask before anything else; undefined: another path. */
const discovery = (path: string): unknown => {
  if (path === '/version') return { major: '1', minor: '36', gitVersion: 'v1.36.0' }
  if (path === '/api') return { kind: 'APIVersions', versions: [] }
  if (path === '/apis') {
    const groups = Object.keys(KINDS).map((name) => {
      const version = { groupVersion: `${name}/v1`, version: 'v1' }
      return { name, versions: [version], preferredVersion: version }
    })
    return { kind: 'APIGroupList', groups }
  }
  const [, group = ''] = /^\/apis\/([\w.]+)\/v1$/.exec(path) ?? []
  const resources = Object.entries(KINDS[group] ?? {}).map(([kind, name]) => ({
    name,
    kind,
    singularName: kind.toLowerCase(),
    namespaced: kind === 'PodMonitor',
    verbs: ['create', 'get', 'patch'],
  }))
  return group in KINDS && { kind: 'APIResourceList', groupVersion: `${group}/v1`, resources }
}

/**
 * A stand-in for an API server that keeps objects and checks nothing, for what a real helm does by itself: whose an
 * object is. Gives the path of its kubeconfig.
 */
export const openApiServer = async () => {
  const objects = new Map<string, unknown>()
  /** The status, and the object. */
  const reply = (method: string, path: string, body: string): readonly [number, unknown] => {
    // Helm's own record of releases comes in Protocol Buffers. It is taken and forgotten.
    if (path.endsWith('/secrets') && method === 'GET')
      return [200, { kind: 'SecretList', items: [] }]
    if (path.includes('/secrets')) return [201, { kind: 'Secret', apiVersion: 'v1', metadata: {} }]
    if (method !== 'GET') {
      const given = parse(body) as { readonly metadata: { readonly name: string } }
      objects.set(method === 'POST' ? `${path}/${given.metadata.name}` : path, given)
      return [201, given]
    }
    const found = discovery(path) || objects.get(path)
    return found ? [200, found] : [404, { kind: 'Status', code: 404, reason: 'NotFound' }]
  }
  const server = await serveHttp((request, response) => {
    void text(request).then((body) => {
      const { pathname } = new URL(request.url ?? '', 'http://x')
      const [code, object] = reply(request.method ?? '', pathname, body)
      response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(object))
    })
  })
  const kubeconfig = join(temporaryDirectory(), 'kubeconfig')
  const one = {
    name: 'it',
    cluster: { server: server.url },
    context: { cluster: 'it', user: 'it' },
  }
  const config = { clusters: [one], contexts: [one], users: [{ name: 'it', user: {} }] }
  writeFileSync(
    kubeconfig,
    stringify({ apiVersion: 'v1', kind: 'Config', 'current-context': 'it', ...config }),
  )
  return { kubeconfig, stop: server.close }
}
