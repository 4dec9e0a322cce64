import { basename } from 'node:path'
import type { IContainer } from 'kubernetes-models/v1/Container'
import type { IPodSpec } from 'kubernetes-models/v1/PodSpec'
import { loadConfig, type Loaded } from '../../../src/config/load.ts'
import { makeCertificates } from '../../support/certificates.ts'
import { NAME } from './chart.ts'
import { ofKind, podSpec, type Manifest } from './manifests.ts'

export const proxyIn = ({ containers, initContainers = [] }: IPodSpec): IContainer => {
  const found = [...initContainers, ...containers].filter((one) => one.name === NAME)
  const [proxy] = found
  if (proxy === undefined || found.length > 1) throw new Error(`${found.length} proxies in a pod`)
  return proxy
}
/** Returns the pod of the first Deployment, or otherwise the first Pod. */
export const podOf = (manifests: readonly Manifest[]): IPodSpec =>
  podSpec(ofKind(manifests, 'Deployment')[0] ?? ofKind(manifests, 'Pod')[0])

/** Returns the environment that kubelet sets: `$$` is a dollar. */
export const environment = ({ env = [] }: IContainer): Record<string, string | undefined> =>
  Object.fromEntries(env.map(({ name, value }) => [name, value?.replaceAll('$$', '$')]))

const { server, ca } = makeCertificates()
/** Mounted files; every other file of a mount is a secret. */
const PAIR = { 'tls.crt': server.cert, 'tls.key': server.key }
const MOUNTED = new Map(Object.entries({ ...PAIR, 'ca.crt': ca.cert, 'ca.pem': ca.cert }))

/** Returns the program's configuration for an environment and the mounted files. */
export const configure = (env: Readonly<Record<string, string | undefined>>): Loaded =>
  loadConfig(env, (path) =>
    path.startsWith('/run/isales/')
      ? Buffer.from(MOUNTED.get(basename(path)) ?? 'a text of more than thirty-two bytes')
      : 'missing',
  )

export const unrestricted = (pod: IPodSpec, container: IContainer): readonly string[] => {
  const own = container.securityContext ?? {}
  const wanted: readonly (readonly [string, boolean])[] = [
    ['runs as root', own.runAsNonRoot === true && own.runAsUser !== 0],
    ['may gain privileges', own.allowPrivilegeEscalation === false],
    ['keeps capabilities', own.capabilities?.drop?.includes('ALL') === true],
    ['adds capabilities', own.capabilities?.add === undefined],
    ['has no seccomp profile', own.seccompProfile?.type === 'RuntimeDefault'],
    ['may write to its root', own.readOnlyRootFilesystem === true],
    ['is privileged', own.privileged !== true],
    ['takes a port of the host', (container.ports ?? []).every((port) => !port.hostPort)],
    ['shares with the host', !pod.hostNetwork && !pod.hostPID && !pod.hostIPC],
    ['mounts the host', (pod.volumes ?? []).every((volume) => volume.hostPath === undefined)],
  ]
  return wanted.filter(([, met]) => !met).map(([breach]) => breach)
}
