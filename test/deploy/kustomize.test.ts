import { writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { IPodSpec } from 'kubernetes-models/v1/PodSpec'
import { expect, it } from 'vitest'
import { stringify } from 'yaml'
import { temporaryDirectory } from '../support/temporary.ts'
import { NAME, renderSidecar } from './support/chart.ts'
import {
  mistakes,
  ofKind,
  parseManifests,
  podSpec,
  specOf,
  type Manifest,
} from './support/manifests.ts'
import { configure, environment, podOf, proxyIn } from './support/pod.ts'
import { ROOT, succeed } from './support/run.ts'
import { newest, older } from './support/tools.ts'

const LABELS = { [NAME]: 'sidecar' }
const KINDS = ['Deployment', 'StatefulSet', 'DaemonSet', 'Job'] as const

const workload = (kind: (typeof KINDS)[number], labels = {}) => ({
  apiVersion: kind === 'Job' ? 'batch/v1' : 'apps/v1',
  kind,
  metadata: { name: kind.toLowerCase(), labels },
  spec: {
    ...(kind !== 'Job' && { selector: { matchLabels: { app: 'cti-obs' } } }),
    ...(kind === 'StatefulSet' && { serviceName: 'cti-obs' }),
    template: {
      metadata: { labels: { app: 'cti-obs' } },
      spec: {
        initContainers: [{ name: 'prepare', image: 'cti-obs:9' }],
        containers: [{ name: 'cti-obs', image: 'cti-obs:9' }],
        ...(kind === 'Job' && { restartPolicy: 'Never' }),
      },
    },
  },
})
const labelled = workload('Deployment', LABELS)

/** The manifests of an overlay, of which the newest kustomize and the older one have to make the same. */
const kustomize = async (overlay: string) => {
  const [made, other] = await Promise.all(
    [newest, older].map(({ kubectl }) => succeed(kubectl, ['kustomize', overlay])),
  )
  expect(other).toBe(made)
  const manifests = parseManifests(made ?? '')
  expect(mistakes(manifests)).toEqual([])
  return manifests
}

/** The settings of a pod: what stands later in `envFrom` wins, and `env` over all of it. */
const settingsOf = (manifests: readonly Manifest[], pod = podOf(manifests)) => {
  const proxy = proxyIn(pod)
  const maps = (proxy.envFrom ?? []).map(({ configMapRef }) => {
    const map = ofKind(manifests, 'ConfigMap').find(
      ({ metadata }) => metadata.name === configMapRef?.name,
    )
    expect(map).toBeDefined()
    return map?.data
  })
  return Object.assign({}, ...maps, environment(proxy)) as Record<string, string | undefined>
}

const overlays = temporaryDirectory()

interface Overlay {
  readonly resources: readonly object[]
  readonly components?: readonly string[]
  readonly settings?: Readonly<Record<string, string>>
}
const build = async ({ resources, components = ['sidecar'], settings = {} }: Overlay) => {
  await writeFile(
    join(overlays, 'resources.yaml'),
    resources.map((one) => stringify(one)).join('---\n'),
  )
  const all = Object.entries({ ISALES_URL: 'https://isales.example', ...settings })
  const overlay = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: ['resources.yaml'],
    // By a relative path, as kustomize demands.
    components: components.map((name) => relative(overlays, join(ROOT, 'config/kustomize', name))),
    configMapGenerator: [{ name: NAME, literals: all.map((pair) => pair.join('=')) }],
  }
  await writeFile(join(overlays, 'kustomization.yaml'), stringify(overlay))
  return kustomize(overlays)
}

it('adds the same container as the chart', async () => {
  const manifests = await kustomize('config/kustomize/example')
  const [pod, wanted] = [podOf(manifests), podOf(await renderSidecar())]
  const { image, envFrom: _, ...proxy } = proxyIn(pod)
  expect(image).toBe('registry.example/isales-auth-proxy:0.1.0')
  const { image: _image, env: _env, ...rest } = proxyIn(wanted)
  expect(proxy).toEqual(rest)
  expect(settingsOf(manifests)).toEqual(environment(proxyIn(wanted)))
  const [state, credentials] = wanted.volumes ?? []
  const { items: _items, ...secret } = credentials?.secret ?? {}
  expect(pod.volumes).toEqual([state, { ...credentials, secret: { ...secret, secretName: NAME } }])
  const labels = { selector: { matchLabels: LABELS } }
  expect(specOf(manifests, 'PodMonitor')).toMatchObject(labels)
  expect(specOf(manifests, 'Deployment')).toMatchObject({
    template: { metadata: { labels: { ...LABELS, 'isales-auth-proxy/injected': 'kustomize' } } },
  })
})

it('patches each kind of workload that is labelled, first of its init containers, and no other', async () => {
  const other = { ...workload('Deployment'), metadata: { name: 'other' } }
  const resources = [...KINDS.map((kind) => workload(kind, LABELS)), other]
  const manifests = await build({ resources })
  const patched = manifests.filter(
    ({ kind, metadata }) => kind !== 'ConfigMap' && metadata.name !== 'other',
  )
  const names = patched.map((one) => podSpec(one).initContainers?.map(({ name }) => name))
  expect(names).toEqual(KINDS.map(() => [NAME, 'prepare']))
  const untouched = manifests.find(({ metadata }) => metadata.name === 'other')
  expect(podSpec(untouched)).toEqual(other.spec.template.spec)
})

it('lets the settings of the ConfigMap of the user win', async () => {
  const settings = {
    ISALES_USER: 'obs1',
    ISALES_USER_FILE: '',
    MAX_IN_FLIGHT: '64',
    LOG_FORMAT: 'pretty',
    ADMIN_LISTEN: ':9191',
  }
  const env = settingsOf(await build({ resources: [labelled], settings }))
  expect(env).toMatchObject(settings)
  expect(configure(env)).toMatchObject({
    ok: true,
    config: { isalesUser: 'obs1', maxInFlight: 64, adminListen: { port: 9191 } },
  })
})

it('shares one token through the same store as the chart', async () => {
  const store = { SESSION_STORE_URL: 'valkeys://isales-auth-proxy@a.example' }
  const manifests = await build({
    resources: [labelled, workload('StatefulSet', LABELS)],
    components: ['sidecar', 'session-store', 'session-store-network'],
    // What the chart derives from its values is a literal here.
    settings: {
      ...store,
      SESSION_STORE_CA_FILE: '/run/isales/store-ca/ca.crt',
      SESSION_STORE_CLIENT_CERT_FILE: '/run/isales/store-client/tls.crt',
      SESSION_STORE_CLIENT_KEY_FILE: '/run/isales/store-client/tls.key',
    },
  })
  const wanted = await renderSidecar('sidecar', {
    settings: { ISALES_URL: 'https://isales.example', ...store },
    sessionStore: {
      secretName: 'isales-auth-proxy-store',
      ca: { configMapName: 'isales-auth-proxy-store-ca' },
      clientCert: { secretName: 'isales-auth-proxy-store-client' },
    },
    networkPolicy: { enabled: true, podSelector: { matchLabels: LABELS }, storePorts: [6379] },
  })
  const mountsOf = (pod: IPodSpec) =>
    new Map(proxyIn(pod).volumeMounts?.map((mount) => [mount.name, mount]))
  const volumesOf = ({ volumes = [] }: IPodSpec) =>
    new Map(
      volumes.map(({ name, secret, configMap }) => [name, secret?.secretName ?? configMap?.name]),
    )
  for (const kind of ['Deployment', 'StatefulSet']) {
    const pod = podSpec(ofKind(manifests, kind)[0])
    expect(mountsOf(pod)).toEqual(mountsOf(podOf(wanted)))
    const own = new Map([['isales-credentials', NAME]])
    expect(volumesOf(pod)).toEqual(new Map([...volumesOf(podOf(wanted)), ...own]))
    const env = settingsOf(manifests, pod)
    expect(env).toEqual(environment(proxyIn(podOf(wanted))))
    expect(configure(env)).toMatchObject({ ok: true, warnings: [] })
  }
  const egress = (from: readonly Manifest[]) => {
    type Rule = { readonly to: object; readonly ports: readonly { readonly port: number }[] }
    const { podSelector, egress: rules } = specOf(from, 'NetworkPolicy')
    const rule = (rules as readonly Rule[]).at(-1)
    return { podSelector, to: rule?.to, ports: new Set(rule?.ports.map(({ port }) => port)) }
  }
  expect(egress(manifests)).toEqual(egress(wanted))
})
