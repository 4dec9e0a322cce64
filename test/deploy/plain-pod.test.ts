import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { faults, parseManifests } from './support/manifests.ts'
import { configure, proxyIn, unrestricted } from './support/pod.ts'
import type { IPodSpec } from 'kubernetes-models/v1/PodSpec'
import { ROOT } from './support/run.ts'

const page = await readFile(`${ROOT}docs/kubernetes.md`, 'utf8')
const [, yaml = ''] = /<!-- pod:.*-->\n```yaml\n([^]*?)```/.exec(page) ?? []
const manifests = parseManifests(yaml)
const pod = manifests[0]?.spec as IPodSpec
const proxy = proxyIn(pod)

describe('the pod of docs/kubernetes.md', () => {
  it('is whole, with no unknown or missing field', async () => {
    expect(manifests.map(({ kind }) => kind)).toEqual(['Pod'])
    expect(faults(manifests)).toEqual([])
  })

  it('is admitted by the restricted profile, with every container', () => {
    for (const container of [...(pod.initContainers ?? []), ...pod.containers])
      expect(unrestricted(pod, container)).toEqual([])
  })

  it('is configured without an error, and keeps its in-flight bodies within its memory', () => {
    const loaded = configure(proxy)
    expect(loaded).toMatchObject({ ok: true, warnings: [] })
    expect(loaded.ok && loaded.config.maxInFlight).toBe(256)
    expect(proxy.resources?.limits).toEqual({ memory: '192Mi' })
  })

  it('is probed where the proxy listens, on IPv4 and IPv6, and delays CTI-OBS by a second at most', () => {
    const loaded = configure(proxy)
    expect(loaded.ok && loaded.config.adminListen).toMatchObject({ host: '', port: 9090 })
    expect(proxy.ports).toEqual([{ name: 'isales-admin', containerPort: 9090 }])
    const port = 'isales-admin'
    expect(proxy).toMatchObject({
      restartPolicy: 'Always',
      startupProbe: {
        httpGet: { path: '/startupz', port },
        periodSeconds: 1,
        failureThreshold: 60,
      },
      livenessProbe: { httpGet: { path: '/livez', port } },
      readinessProbe: { httpGet: { path: '/readyz', port } },
    })
  })

  it('mounts the Secret that the first command of the page makes', () => {
    const [, name, keys = ''] = /kubectl create secret generic (\S+) (.*)/.exec(page) ?? []
    const secret = pod.volumes?.find((volume) => volume.secret !== undefined)
    expect(secret?.secret?.secretName).toBe(name)
    expect([...keys.matchAll(/--from-(?:literal|file)=(\w+)/g)].map(([, key]) => key)).toEqual([
      'user',
      'password',
    ])
    const mounted = proxy.volumeMounts?.map((mount) => mount.name) ?? []
    expect(mounted.toSorted()).toEqual(pod.volumes?.map((volume) => volume.name).toSorted())
  })
})
