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
  const build = async (resources: readonly object[], more: object = {}) => {
    const files = resources.map((_, index) => `${index}.yaml`)
    for (const [index, resource] of resources.entries())
      await writeFile(join(overlays, `${index}.yaml`), stringify(resource))
    const components = ['../../config/kustomize/sidecar']
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
