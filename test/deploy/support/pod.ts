import type { IContainer } from 'kubernetes-models/v1/Container'
import type { IPodSpec } from 'kubernetes-models/v1/PodSpec'
import { loadConfig, type Loaded } from '../../../src/config/load.ts'
import { makeCertificates } from '../../support/certificates.ts'
import { ofKind, podSpec, type Manifest } from './manifests.ts'

const NAME = 'isales-auth-proxy'

export const proxyIn = ({ containers, initContainers = [] }: IPodSpec): IContainer => {
  const found = [...initContainers, ...containers].filter((one) => one.name === NAME)
  const [proxy] = found
  if (proxy === undefined || found.length > 1) throw new Error(`${found.length} proxies in a pod`)
  return proxy
}
export const deploymentOf = (manifests: readonly Manifest[]): IPodSpec =>
  podSpec(ofKind(manifests, 'Deployment')[0])

export const environment = ({ env = [] }: IContainer): Record<string, string | undefined> =>
  Object.fromEntries(env.map(({ name, value }) => [name, value]))

const certificates = makeCertificates()
/** What is mounted; every other file of a mount is a short text. */
const MOUNTED: Readonly<Record<string, string>> = {
  '/run/isales/tls/tls.crt': certificates.server.cert,
  '/run/isales/tls/tls.key': certificates.server.key,
  '/run/isales/tls/ca.crt': certificates.ca.cert,
  '/run/isales/ca/ca.crt': certificates.ca.cert,
  '/run/isales/client/tls.crt': certificates.client.cert,
  '/run/isales/client/tls.key': certificates.client.key,
  '/run/isales/store/url': 'valkeys://store.example',
  '/run/isales/store-ca/ca.crt': certificates.ca.cert,
  '/run/isales/store-client/tls.crt': certificates.client.cert,
  '/run/isales/store-client/tls.key': certificates.client.key,
}
const SECRETS = /^\/run\/isales\/(?:credentials|store)\//

/** What the program says to this environment, with those files. */
export const configure = (container: IContainer): Loaded => configureWith(environment(container))

/** The same for an environment by itself. */
export const configureWith = (env: Readonly<Record<string, string | undefined>>): Loaded =>
  loadConfig(env, (path) => {
    const secret = SECRETS.test(path) ? 'a text of more than thirty-two bytes' : undefined
    const text = MOUNTED[path] ?? secret
    return text === undefined
      ? { ok: false, problem: 'missing' }
      : { ok: true, bytes: Buffer.from(text) }
  })

/** What keeps a pod out of a namespace that enforces the restricted Pod Security Standard. */
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
  return wanted.filter(([, met]) => !met).map(([fault]) => fault)
}
