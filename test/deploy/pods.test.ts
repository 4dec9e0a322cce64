import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { ciFile, createDependent, render, type Dependent } from './support/chart.ts'
import { faults, ofKind, podSpec } from './support/manifests.ts'
import { configure, deploymentOf, environment, proxyIn, unrestricted } from './support/pod.ts'
import { ROOT, run } from './support/run.ts'
import { installed, newest, older } from './support/tools.ts'

const helm = (await newest())?.helm ?? ''
const olderHelm = (await older())?.helm ?? ''
const promtool = await installed('promtool')
const NAME = 'isales-auth-proxy'

interface Alert {
  readonly alert: string
  readonly expr: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

describe.skipIf(helm === '')('a proxy that the chart deploys', () => {
  let dependent: Dependent
  beforeAll(async () => {
    dependent = await createDependent(helm)
  })
  afterAll(() => dependent.remove())

  const pods = {
    standalone: () => render(helm, ciFile('standalone')),
    'standalone-everything': () => render(helm, ciFile('standalone-everything')),
    sharing: () => render(helm, ciFile('sharing')),
    sidecar: () => dependent.render('sidecar'),
    'sidecar-classic': () => dependent.render('sidecar-classic'),
  }
  const names = Object.keys(pods) as (keyof typeof pods)[]

  it.each(names)('is restricted to what it needs (%s)', async (name) => {
    const pod = deploymentOf(await pods[name]())
    const container = proxyIn(pod)
    expect(unrestricted(pod, container)).toEqual([])
    expect(container.resources?.limits).toHaveProperty('memory')
  })

  it.each(names)('is configured without an error (%s)', async (name) => {
    const loaded = configure(proxyIn(deploymentOf(await pods[name]())))
    expect(loaded).toMatchObject({ ok: true, warnings: [] })
  })

  it.each(names)('has its secrets in files, mounted whole (%s)', async (name) => {
    const pod = deploymentOf(await pods[name]())
    const container = proxyIn(pod)
    const volumes = (pod.volumes ?? []).map((volume) => volume.name)
    for (const mount of container.volumeMounts ?? []) {
      expect(volumes).toContain(mount.name)
      expect(mount).not.toHaveProperty('subPath')
    }
    expect(environment(container)).not.toHaveProperty('ISALES_PASSWORD')
    expect(environment(container)['ISALES_PASSWORD_FILE']).toBe('/run/isales/credentials/password')
    expect([...(container.args ?? []), ...(container.command ?? [])]).toEqual([])
  })

  it.each(names)('is probed on its admin port, the three ways (%s)', async (name) => {
    const container = proxyIn(deploymentOf(await pods[name]()))
    const port = 'isales-admin'
    expect(container).toMatchObject({
      startupProbe: { httpGet: { path: '/startupz', port } },
      livenessProbe: { httpGet: { path: '/livez', port } },
      readinessProbe: { httpGet: { path: '/readyz', port } },
    })
    const loaded = configure(container)
    const admin = loaded.ok && loaded.config.adminListen.kind === 'tcp' && loaded.config.adminListen
    expect(container.ports).toContainEqual({
      name: port,
      protocol: 'TCP',
      containerPort: admin ? admin.port : 0,
    })
  })

  it.each(['sidecar', 'sidecar-classic'] as const)(
    'is one more container of the pod of CTI-OBS, and nothing else that runs (%s)',
    async (name) => {
      const manifests = await pods[name]()
      const pod = deploymentOf(manifests)
      const native = pod.initContainers?.find((one) => one.name === NAME)
      expect(native?.restartPolicy).toBe(name === 'sidecar' ? 'Always' : undefined)
      expect(native === undefined).toBe(name === 'sidecar-classic')
      expect(ofKind(manifests, 'Deployment')).toHaveLength(1)
      expect(ofKind(manifests, 'Service')).toEqual([])
      expect(faults(manifests)).toEqual([])
    },
  )

  it('is the same under an alias, whose scope is passed to the templates', async () => {
    const aliased = await createDependent(helm, { alias: 'proxy' })
    const manifests = await aliased.render('sidecar')
    await aliased.remove()
    expect(deploymentOf(manifests)).toEqual(deploymentOf(await pods.sidecar()))
    expect(ofKind(manifests, 'Deployment')).toHaveLength(1)
  })

  it.skipIf(olderHelm === '')('is the same with the older helm', async () => {
    const old = await createDependent(olderHelm)
    const sidecars = [await old.render('sidecar'), await old.render('sidecar-classic')]
    await old.remove()
    expect(sidecars).toEqual([await pods.sidecar(), await pods['sidecar-classic']()])
    const standalone = await render(olderHelm, ciFile('standalone-everything'))
    expect(standalone).toEqual(await pods['standalone-everything']())
  })

  it('listens on loopback as a sidecar, and demands a login where the network can reach it', async () => {
    const sidecar = configure(proxyIn(deploymentOf(await pods.sidecar())))
    expect(sidecar).toMatchObject({ config: { listen: { host: '127.0.0.1' } } })
    const standalone = configure(proxyIn(deploymentOf(await pods.standalone())))
    expect(standalone).toMatchObject({ config: { obsLogin: 'require' } })
    expect(standalone.ok && standalone.config.listenTlsKeyFile).toBe('/run/isales/tls/tls.key')
    expect(standalone.ok && standalone.config.allowedHosts).toContain('isales-proxy.example')
  })

  it('shows its status page under the name of its admin Service', async () => {
    const manifests = await pods.standalone()
    const names = manifests.map(({ kind, metadata }) => `${kind} ${metadata?.name}`)
    const standalone = configure(proxyIn(deploymentOf(manifests)))
    const [host] = standalone.ok ? standalone.config.adminHosts : []
    expect(names).toContain(`Service ${host}`)
  })

  it.each(['standalone', 'standalone-everything'] as const)(
    'is given the time that it needs to end its calls, and no token of the API (%s)',
    async (name) => {
      const pod = deploymentOf(await pods[name]())
      expect(pod.automountServiceAccountToken).toBe(false)
      const loaded = configure(proxyIn(pod))
      const drain = loaded.ok ? loaded.config.drainDelay + loaded.config.drainTimeout : Infinity
      expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(drain / 1000 + 2)
    },
  )

  it('is replaced without a moment when none serves, and spread over hosts and zones', async () => {
    const [deployment] = ofKind(await pods.standalone(), 'Deployment')
    expect(deployment?.spec).toMatchObject({
      strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      template: {
        spec: {
          topologySpreadConstraints: [
            { topologyKey: 'kubernetes.io/hostname' },
            { topologyKey: 'topology.kubernetes.io/zone' },
          ],
        },
      },
    })
    const loaded = configure(proxyIn(podSpec(deployment)))
    expect(loaded.ok && loaded.config.drainDelay).toBeGreaterThanOrEqual(5000)
  })

  it('has the alerts of config/prometheus, whole, with its own address of the run book', async () => {
    const original: unknown = parse(await readFile(`${ROOT}config/prometheus/alerts.yaml`, 'utf8'))
    const [rule] = ofKind(await pods.sidecar(), 'PrometheusRule')
    expect(rule?.spec).toEqual(original)
  })

  it('has alerts that are tuned, switched off, labelled and documented as its values say', async () => {
    const rulesOf = async (name: keyof typeof pods) => {
      const [rule] = ofKind(await pods[name](), 'PrometheusRule')
      const file = rule?.spec as { groups: readonly { rules: readonly Alert[] }[] }
      return new Map(file.groups.flatMap(({ rules }) => rules).map((one) => [one.alert, one]))
    }
    const [original, tuned] = [await rulesOf('sidecar'), await rulesOf('standalone-everything')]
    const { severity } = original.get('IsalesProxyDown')?.labels ?? {}
    expect(tuned.get('IsalesProxyDown')).toEqual({
      ...original.get('IsalesProxyDown'),
      labels: { severity, team: 'telephony' },
      annotations: {
        ...original.get('IsalesProxyDown')?.annotations,
        runbook_url: 'https://docs.example/isales-auth-proxy/docs/operations.md#isalesproxydown',
      },
    })
    expect([...original.keys()].filter((name) => !tuned.has(name))).toEqual(['IsalesProxyLatency'])
    expect(tuned.get('IsalesProxyErrorRatio')).toMatchObject({
      expr: original.get('IsalesProxyErrorRatio')?.expr,
      for: '10m',
      labels: { severity: 'critical', team: 'telephony' },
    })
  })

  it.skipIf(promtool === undefined)('has alerts that Prometheus takes', async () => {
    const [rule] = ofKind(await pods.sidecar(), 'PrometheusRule')
    const input = JSON.stringify(rule?.spec)
    expect(await run('promtool', ['check', 'rules'], { input })).toMatchObject({ code: 0 })
  })

  it('has the dashboard of config/grafana', async () => {
    const [map] = ofKind(await pods.sidecar(), 'ConfigMap')
    const original = await readFile(`${ROOT}config/grafana/isales-auth-proxy.json`, 'utf8')
    expect(map?.data?.['isales-auth-proxy.json']?.trim()).toBe(original.trim())
  })

  it('lets in Prometheus and CTI-OBS, lets out to iSales and DNS, and nothing else', async () => {
    const [policy] = ofKind(await pods.standalone(), 'NetworkPolicy')
    expect(policy?.spec).toMatchObject({
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ ports: [{ port: 9090 }] }, { ports: [{ port: 8443 }] }],
      egress: [{ ports: [{ port: 53 }, { port: 53 }] }, { ports: [{ port: 443 }] }],
    })
    const [beside] = ofKind(await pods['sidecar-classic'](), 'NetworkPolicy')
    expect(beside?.spec).toMatchObject({ podSelector: { matchLabels: { app: 'cti-obs' } } })
    expect(ofKind(await pods.sidecar(), 'NetworkPolicy')).toEqual([])
  })
})
