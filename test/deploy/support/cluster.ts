import { writeFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { serveHttp } from '../../support/http-server.ts'
import { temporaryDirectory } from '../../support/temporary.ts'
import { admit, type Pod } from './admission.ts'
import type { Manifest } from './manifests.ts'

interface Given extends Pod {
  readonly spec: Pod['spec'] & { readonly template?: Pod }
}

/**
 * A stand-in for an API server with these policies, as far as config/kubernetes/try-injection.sh uses one, and the path of
 * the kubectl that asks it.
 */
export const openCluster = async (
  manifests: readonly Manifest[],
  namespaces: Readonly<Record<string, Readonly<Record<string, string>>>>,
) => {
  const pods = new Map<string, Pod>()
  /** Why the pods of a workload could not be made. */
  let failure = ''
  const reply = (args: readonly string[], body: string): unknown => {
    const flag = (name: string) => args[args.indexOf(name) + 1] ?? ''
    const dryRun = args.includes('--dry-run=server')
    const [verb, kind] = args
    if (verb === 'patch') {
      const old = pods.get(flag('pod'))
      if (old === undefined) throw new Error('no such pod')
      const patch = flag('--patch')
      // As kubectl reads it.
      const change: unknown = patch.startsWith('{') ? JSON.parse(patch) : parse(patch)
      return admit(manifests, namespaces, merge(old, change) as Pod, old)
    }
    if (verb === 'delete') return pods.clear()
    if (verb === 'get') return kind === 'pods' ? { items: [...pods.values()] } : failure
    if (verb !== 'create') throw new Error(`no ${verb}`)
    const given = parse(body) as Given
    const { namespace } = given.metadata
    const { template } = given.spec
    const made = template ? { ...template, metadata: { ...template.metadata, namespace } } : given
    try {
      const pod = admit(manifests, namespaces, made)
      if (!dryRun) pods.set(given.metadata.name ?? '', pod)
      return pod
    } catch (error) {
      if (!template) throw error
      return (failure = String(error))
    }
  }
  const respond = (given: readonly string[], body: string): readonly [number, string] => {
    try {
      return [200, show(given.find((arg) => arg.startsWith('jsonpath=')) ?? '', reply(given, body))]
    } catch (error) {
      return [403, error instanceof Error ? error.message : String(error)]
    }
  }
  const server = await serveHttp((request, response) => {
    const args = Buffer.from(String(request.headers['args']), 'base64').toString().split('\0')
    void text(request).then((body) => {
      const [status, said] = respond(args, body)
      response.writeHead(status).end(said)
    })
  })
  const kubectl = join(temporaryDirectory(), 'kubectl')
  writeFileSync(
    kubectl,
    `#!/bin/bash
body= args=$(printf '%s\\0' "$@" | base64 -w0)
case " $* " in *' -f '*) body=$(cat) ;; esac
exec 3<>/dev/tcp/127.0.0.1/${server.port}
LC_ALL=C
printf 'POST / HTTP/1.0\\r\\nargs: %s\\r\\ncontent-length: %d\\r\\n\\r\\n%s' "$args" \${#body} "$body" >&3
read -r _ status _ <&3
while read -r line && [ "$line" != $'\\r' ]; do :; done <&3
cat <&3
[ $status = 200 ]
`,
    { mode: 0o755 },
  )
  return { kubectl, stop: server.close }
}

/** What kubectl prints: YAML, or one of the paths that the script asks for. */
const show = (path: string, value: unknown): string => {
  if (typeof value === 'string') return value
  const [pod = value] = (value as { items?: readonly Pod[] } | undefined)?.items ?? []
  const names = (pod as Pod | undefined)?.spec?.initContainers?.map(({ name }) => name) ?? []
  if (path.includes('initContainers[*]')) return names.join(' ')
  return path.includes('initContainers[0]') ? (names[0] ?? '') : stringify(value)
}

/** RFC 7396. */
const merge = (target: unknown, patch: unknown): unknown => {
  if (typeof patch !== 'object' || patch === null) return patch
  const merged: Record<string, unknown> = { ...(target as object) }
  for (const [key, value] of Object.entries(patch))
    if (value === null) delete merged[key]
    else merged[key] = merge(merged[key], value)
  return merged
}
