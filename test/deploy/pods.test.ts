import { describe, expect, it } from 'vitest'
import { read } from '../docs/pages.ts'
import { ciValues, NAME, PARENT, render, renderSidecar } from './support/chart.ts'
import { mistakes, ofKind, parseManifests, specOf } from './support/manifests.ts'
import { configure, podOf, environment, proxyIn, unrestricted } from './support/pod.ts'

const POD = 'config/kubernetes/pod.yaml'
const written = parseManifests(read(POD))

const made = {
  standalone: await render(ciValues('standalone')),
  'standalone-everything': await render(ciValues('standalone-everything')),
  sharing: await render(ciValues('sharing')),
  sidecar: await renderSidecar(),
  [POD]: written,
}
const rows = Object.entries(made).map(([name, manifests]) => ({ name, manifests }))

it('no manifest has an unknown or missing field', () => {
  expect(mistakes(Object.values(made).flat())).toEqual([])
  const empty = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' }, spec: {} }
  expect(mistakes([empty])).toHaveLength(1)
})

describe.each(rows)('the pod of $name', ({ manifests }) => {
  const pod = podOf(manifests)
  const proxy = proxyIn(pod)
  const loaded = configure(environment(proxy))

  it('is restricted to what it needs, and has a limit of memory', () => {
    expect(unrestricted(pod, proxy)).toEqual([])
    expect(proxy.resources?.limits).toHaveProperty('memory')
  })

  it('is configured without an error or a warning', () => {
    expect(loaded).toMatchObject({ ok: true, problems: [] })
  })

  it('has its secrets in files, mounted whole', () => {
    const volumes = (pod.volumes ?? []).map((volume) => volume.name)
    const mounts = proxy.volumeMounts ?? []
    expect(volumes).toEqual(expect.arrayContaining(mounts.map(({ name }) => name)))
    for (const mount of mounts) expect(mount).not.toHaveProperty('subPath')
    const env = environment(proxy)
    expect(env['ISALES_PASSWORD_FILE']).toBe('/run/isales/credentials/password')
    expect(Object.keys(env).filter((name) => /(?:PASSWORD|KEY)$/.test(name))).toEqual([])
    const isMounted = (path = '') =>
      mounts.some(({ mountPath }) => path.startsWith(`${mountPath}/`))
    const files = Object.entries(env).filter(([name]) => name.endsWith('_FILE'))
    expect(files.filter(([, path]) => !isMounted(path))).toEqual([])
    expect(proxy).not.toHaveProperty('args')
    expect(proxy).not.toHaveProperty('command')
  })

  it('is probed on its admin port, on IPv4 and IPv6, the three ways', () => {
    const port = 'isales-admin'
    expect(proxy).toMatchObject({
      startupProbe: { httpGet: { path: '/startupz', port }, periodSeconds: 1 },
      // A hanging proxy is replaced by then, independent of its pod's grace period.
      livenessProbe: { httpGet: { path: '/livez', port }, terminationGracePeriodSeconds: 1 },
      readinessProbe: { httpGet: { path: '/readyz', port } },
    })
    const found = proxy.ports?.find(({ name }) => name === port)
    expect(loaded.config.adminListen).toMatchObject({ host: '', port: found?.containerPort })
  })
})

it('a sidecar is one more container of the pod of CTI-OBS, and nothing else that runs', () => {
  const native = podOf(made.sidecar).initContainers?.find((one) => one.name === NAME)
  expect(native?.restartPolicy).toBe('Always')
  expect(configure(environment(proxyIn(podOf(made.sidecar)))).config.listen?.host).toBe('127.0.0.1')
  expect(ofKind(made.sidecar, 'Deployment')).toHaveLength(1)
  expect(ofKind(made.sidecar, 'Service')).toEqual([])
  const template = { metadata: { labels: { 'isales-auth-proxy/release': 'obs' } } }
  expect(specOf(made.sidecar, 'Deployment')).toMatchObject({ template })
})

it.each(['sidecar', POD] as const)(
  'a sidecar that freezes just after a probe is killed within 10 s: %s',
  (name) => {
    const { livenessProbe: probe = {} } = proxyIn(podOf(made[name]))
    const { periodSeconds = 10, timeoutSeconds = 1, failureThreshold = 3 } = probe
    expect(timeoutSeconds).toBeLessThanOrEqual(periodSeconds)
    // minimumGracePeriodInSeconds of kubelet (pkg/kubelet/kuberuntime).
    const grace = Math.max(2, probe.terminationGracePeriodSeconds ?? 30)
    expect(failureThreshold * periodSeconds + timeoutSeconds + grace).toBeLessThanOrEqual(10)
  },
)

it('a sidecar is the same under an alias, whose scope is passed to the templates', async () => {
  const aliased = { ...ciValues('sidecar'), enabled: true }
  const manifests = await render({ aliased, scope: 'aliased' }, { chart: PARENT })
  expect(podOf(manifests)).toEqual(podOf(made.sidecar))
})

it('a sidecar is switched off by its condition, with guarded includes', async () => {
  const off = await render({}, { chart: PARENT })
  expect(ofKind(off, 'Deployment')).toHaveLength(1)
  expect(JSON.stringify(off)).not.toContain('isales')
})

it('a sidecar leaves readiness to the containers of CTI-OBS where the values say so', async () => {
  const off = { sidecar: { readiness: false } }
  const proxy = proxyIn(podOf(await renderSidecar('sidecar', off)))
  expect(proxy).not.toHaveProperty('readinessProbe')
  expect(proxy).toHaveProperty('livenessProbe')
  expect(proxy).toHaveProperty('startupProbe')
})

it('the pod written out keeps its in-flight bodies within its memory, CTI-OBS restricted, and mounts the Secret of the page', () => {
  const { initContainers, containers, volumes } = podOf(written)
  const resources = { limits: { memory: '192Mi' } }
  expect(initContainers).toMatchObject([{ name: NAME, restartPolicy: 'Always', resources }])
  expect(environment(proxyIn(podOf(written)))['MAX_IN_FLIGHT']).toBe('256')
  for (const container of containers) expect(unrestricted(podOf(written), container)).toEqual([])
  const name = volumes?.find(({ secret }) => secret)?.secret?.secretName
  expect(read('docs/kubernetes.md')).toContain(`kubectl create secret generic ${name} `)
})
