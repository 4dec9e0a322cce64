import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { createDependent } from './support/chart.ts'
import { faults, ofKind, parseManifests, podSpec, type Manifest } from './support/manifests.ts'
import { configureWith, deploymentOf, environment, proxyIn } from './support/pod.ts'
import { ROOT, run, succeed } from './support/run.ts'
import { newest, older } from './support/tools.ts'

const NAME = 'isales-auth-proxy'
const LABELS = { [NAME]: 'sidecar' }
const tools = await newest()
const helm = tools?.helm ?? ''

interface Port {
  readonly port: number
}

const workload = (kind: 'Deployment' | 'StatefulSet' | 'DaemonSet' | 'Job', labels = {}) => ({
  apiVersion: kind === 'Job' ? 'batch/v1' : 'apps/v1',
  kind,
  metadata: { name: kind.toLowerCase(), labels },
  spec: {
    ...(kind === 'Job' ? {} : { selector: { matchLabels: { app: 'cti-obs' } } }),
    ...(kind === 'StatefulSet' ? { serviceName: 'cti-obs' } : {}),
    template: {
      metadata: { labels: { app: 'cti-obs' } },
      spec: {
        initContainers: [{ name: 'prepare', image: 'cti-obs:9' }],
        containers: [{ name: 'cti-obs', image: 'cti-obs:9' }],
        ...(kind === 'Job' ? { restartPolicy: 'Never' } : {}),
      },
    },
  },
})

describe.each([
  { version: '1.35', kubectl: tools?.kubectl ?? '' },
  { version: '1.32', kubectl: (await older())?.kubectl ?? '' },
])('the kustomize component with kubectl $version', ({ kubectl }) => {
  let overlays = ''
  beforeAll(async () => {
    await mkdir(join(ROOT, '.tmp'), { recursive: true })
    overlays = await mkdtemp(join(ROOT, '.tmp/overlay-'))
  })
  afterAll(() => rm(overlays, { recursive: true }))

  /** Writes an overlay of these resources, the component and more, and builds it. */
  const build = async (
    resources: readonly object[],
    more: object = {},
    names: readonly string[] = ['sidecar'],
  ) => {
    const files = resources.map((_, index) => `${index}.yaml`)
    for (const [index, resource] of resources.entries())
      await writeFile(join(overlays, `${index}.yaml`), stringify(resource))
    const components = names.map((name) => `../../config/kustomize/${name}`)
    const head = { apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization' }
    const overlay = { ...head, resources: files, components, ...more }
    await writeFile(join(overlays, 'kustomization.yaml'), stringify(overlay))
    return run(kubectl, ['kustomize', overlays])
  }
  const settings = (...literals: readonly string[]) => ({
    configMapGenerator: [{ name: NAME, literals }],
  })
  /** The environment of a container: what stands later in `envFrom` wins, and `env` over all of it. */
  const environmentOf = (manifests: readonly Manifest[], spec: ReturnType<typeof podSpec>) => {
    const proxy = proxyIn(spec)
    const maps = (proxy.envFrom ?? []).map(({ configMapRef }) => {
      const map = ofKind(manifests, 'ConfigMap').find(
        ({ metadata }) => metadata.name === configMapRef?.name,
      )
      expect(map).toBeDefined()
      return map?.data
    })
    return Object.assign({}, ...maps, environment(proxy)) as Record<string, string | undefined>
  }

  it.skipIf(kubectl === '')('adds the same container as the chart', async () => {
    const built = await succeed(kubectl, ['kustomize', 'config/kustomize/example'])
    const manifests = parseManifests(built)
    expect(faults(manifests)).toEqual([])
    const pod = deploymentOf(manifests)
    const { image, envFrom, ...proxy } = proxyIn(pod)
    expect(image).toBe('registry.example/isales-auth-proxy:0.1.0')
    expect(envFrom).toHaveLength(2)

    const dependent = await createDependent(helm)
    const charted = deploymentOf(await dependent.render('sidecar'))
    await dependent.remove()
    const { image: _image, env: _env, ...rest } = proxyIn(charted)
    expect(proxy).toEqual(rest)
    expect(environmentOf(manifests, pod)).toEqual(environment(proxyIn(charted)))
    const [state, credentials] = charted.volumes ?? []
    const { items: _items, ...secret } = credentials?.secret ?? {}
    expect(pod.volumes).toEqual([
      state,
      { ...credentials, secret: { ...secret, secretName: NAME } },
    ])
    const [monitor] = ofKind(manifests, 'PodMonitor')
    expect(monitor?.spec).toMatchObject({ selector: { matchLabels: LABELS } })
    const [deployment] = ofKind(manifests, 'Deployment')
    expect(deployment?.spec).toMatchObject({ template: { metadata: { labels: LABELS } } })
  })

  it.skipIf(kubectl === '')(
    'patches each kind of workload that is labelled, first of its init containers, and no other',
    async () => {
      const kinds = ['Deployment', 'StatefulSet', 'DaemonSet', 'Job'] as const
      const others = { ...workload('Deployment'), metadata: { name: 'other' } }
      const labelled = kinds.map((kind) => workload(kind, LABELS))
      const { stdout } = await build(
        [...labelled, others],
        settings('ISALES_URL=https://i.example'),
      )
      const manifests = parseManifests(stdout)
      expect(faults(manifests)).toEqual([])
      for (const kind of kinds) {
        const found = ofKind(manifests, kind).find(({ metadata }) => metadata.name !== 'other')
        const names = podSpec(found).initContainers?.map(({ name }) => name)
        expect(names).toEqual([NAME, 'prepare'])
      }
      const other = manifests.find(({ metadata }) => metadata.name === 'other')
      expect(podSpec(other)).toEqual(others.spec.template.spec)
    },
  )

  it.skipIf(kubectl === '')('lets the ConfigMap of the user have the last word', async () => {
    const own = {
      ISALES_URL: 'https://i.example',
      ISALES_USER: 'obs1',
      ISALES_USER_FILE: '',
      MAX_IN_FLIGHT: '64',
      LOG_FORMAT: 'pretty',
      ADMIN_LISTEN: ':9191',
    }
    const literals = Object.entries(own).map(([name, value]) => `${name}=${value}`)
    const { stdout } = await build([workload('Deployment', LABELS)], settings(...literals))
    const manifests = parseManifests(stdout)
    const env = environmentOf(manifests, deploymentOf(manifests))
    expect(env).toMatchObject(own)
    expect(configureWith(env)).toMatchObject({
      ok: true,
      config: { isalesUser: 'obs1', maxInFlight: 64, adminListen: { port: 9191 } },
    })
  })

  it.skipIf(kubectl === '')('shares one token through the same store as the chart', async () => {
    const store = {
      SESSION_STORE_URL: 'valkeys://isales-auth-proxy@a.example,b.example',
      SESSION_STORE_SENTINEL: 'mymaster',
    }
    // What the chart derives from its values is a literal here.
    const files = {
      SESSION_STORE_CA_FILE: '/run/isales/store-ca/ca.crt',
      SESSION_STORE_CLIENT_CERT_FILE: '/run/isales/store-client/tls.crt',
      SESSION_STORE_CLIENT_KEY_FILE: '/run/isales/store-client/tls.key',
      SESSION_STORE_SENTINEL_PASSWORD_FILE: '/run/isales/store/sentinel-password',
    }
    const literals = Object.entries({
      ISALES_URL: 'https://isales.example',
      ...store,
      ...files,
    }).map(([name, value]) => `${name}=${value}`)
    const components = ['sidecar', 'session-store', 'session-store-network']
    const { stdout } = await build(
      [workload('Deployment', LABELS), workload('StatefulSet', LABELS)],
      settings(...literals),
      components,
    )
    const manifests = parseManifests(stdout)
    expect(faults(manifests)).toEqual([])

    const dependent = await createDependent(helm)
    const charted = await dependent.render('sidecar', {
      settings: { ISALES_URL: 'https://isales.example', ...store },
      sessionStore: {
        secretName: 'isales-auth-proxy-store',
        keys: { sentinelPassword: 'sentinel-password' },
        ca: { configMapName: 'isales-auth-proxy-store-ca' },
        clientCert: { secretName: 'isales-auth-proxy-store-client' },
      },
      networkPolicy: { enabled: true, podSelector: { matchLabels: LABELS }, storePorts: [6379] },
    })
    await dependent.remove()
    const wanted = deploymentOf(charted)
    const mounts = (spec: typeof wanted) =>
      proxyIn(spec).volumeMounts?.toSorted((one, other) => one.name.localeCompare(other.name))
    for (const kind of ['Deployment', 'StatefulSet'] as const) {
      const spec = podSpec(ofKind(manifests, kind)[0])
      expect(mounts(spec)).toEqual(mounts(wanted))
      const env = environmentOf(manifests, spec)
      expect(env).toEqual(environment(proxyIn(wanted)))
      expect(configureWith(env)).toMatchObject({ ok: true, warnings: [] })
    }
    const volumes = ({ volumes: all = [] }: typeof wanted) =>
      all
        .filter(({ name }) => name.startsWith('isales-store'))
        .map(({ name, secret, configMap }) => [name, secret?.secretName ?? configMap?.name])
    expect(volumes(deploymentOf(manifests))).toEqual(volumes(wanted))
    expect(volumes(wanted)).toHaveLength(3)

    const egress = (from: readonly Manifest[]) => {
      const [policy] = ofKind(from, 'NetworkPolicy')
      const spec = policy?.spec as { podSelector: object; egress: readonly { ports: Port[] }[] }
      const { ports, ...rule } = spec.egress.at(-1) ?? { ports: [] }
      return { to: rule, from: spec.podSelector, ports: new Set(ports.map(({ port }) => port)) }
    }
    expect(egress(manifests)).toEqual(egress(charted))
  })

  it.skipIf(kubectl === '')('takes the URL of the store from the Secret, too', async () => {
    const { stdout } = await build(
      [workload('Deployment', LABELS)],
      settings(
        'ISALES_URL=https://isales.example',
        'SESSION_STORE_URL_FILE=/run/isales/store/url',
        'SESSION_STORE_PASSWORD_FILE=',
      ),
      ['sidecar', 'session-store'],
    )
    const manifests = parseManifests(stdout)
    const env = environmentOf(manifests, deploymentOf(manifests))
    const loaded = configureWith(env)
    expect(loaded).toMatchObject({
      ok: true,
      config: { sessionStoreUrl: { servers: [{ host: 'store.example' }] } },
    })
    expect(loaded.ok && loaded.config.sessionStorePassword).toBe(undefined)
  })

  it.skipIf(kubectl === '')(
    'fails for a label that comes too late, where the overlay has the test of the example',
    async () => {
      const more = {
        ...settings('ISALES_URL=https://i.example'),
        labels: [{ pairs: LABELS }],
        patches: [
          {
            target: { kind: 'Deployment', name: 'deployment' },
            patch: stringify([
              { op: 'test', path: '/spec/template/spec/initContainers/0/name', value: NAME },
            ]),
          },
        ],
      }
      const late = await build([workload('Deployment')], more)
      expect(late.code).not.toBe(0)
      expect(late.stderr).toMatch(/test failed|test operation does not apply|testing path/)
      expect(await build([workload('Deployment', LABELS)], more)).toMatchObject({ code: 0 })
    },
  )
})
