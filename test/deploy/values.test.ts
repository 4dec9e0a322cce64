import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { CI_NAMES, ciValues, render, renderSidecar, standalone } from './support/chart.ts'
import { ofKind, specOf } from './support/manifests.ts'
import { podOf, proxyIn } from './support/pod.ts'
import { ROOT } from './support/run.ts'

interface Alert {
  readonly alert: string
  readonly expr: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}
interface Rule {
  readonly from?: readonly unknown[]
  readonly to?: readonly unknown[]
  readonly ports?: readonly { readonly port: number; readonly protocol: string }[]
}

const make = (values: Parameters<typeof standalone>[0]) => render(standalone(values))
const beside = await renderSidecar()
const everything = await render(ciValues('standalone-everything'))

it('the Service has what its type has a use for, and nothing that the API server refuses', async () => {
  const outside = { externalTrafficPolicy: 'Local' }
  const balanced = { loadBalancerSourceRanges: ['192.0.2.0/24'] }
  const all = { nodePort: 30443, ...outside, ...balanced }
  for (const [type, fields, nodePort] of [
    ['ClusterIP', {}, undefined],
    ['NodePort', outside, 30443],
    ['LoadBalancer', { ...outside, ...balanced }, 30443],
  ] as const) {
    const manifests = await make({ standalone: { service: { type, ...all } } })
    const { selector: _, ports, ...rest } = specOf(manifests, 'Service')
    expect(rest).toEqual({ type, ...fields })
    expect((ports as readonly object[])[0]).toEqual({
      name: 'https',
      port: 443,
      targetPort: 'isales-proxy',
      protocol: 'TCP',
      ...(nodePort && { nodePort }),
    })
  }
})

it.each(CI_NAMES)(
  'each object of %s says its namespace, unless it is of the cluster',
  async (name) => {
    const manifests = await render(ciValues(name))
    for (const { kind, metadata } of manifests)
      expect([kind, metadata.namespace]).toEqual([
        kind,
        /AdmissionPolicy/.test(kind) ? undefined : 'telephony',
      ])
  },
)

it('a monitor selects the pods of its release', async () => {
  const select = async (mode: string, release: string) => {
    const values = standalone({ mode, podMonitor: { enabled: true } })
    const monitor = specOf(await render(values, { release }), 'PodMonitor')
    return (monitor as { selector: { matchLabels: object } }).selector.matchLabels
  }
  for (const mode of ['standalone', 'sidecar']) {
    expect(Object.values(await select(mode, 'east'))).toContain('east')
    expect(await select(mode, 'west')).not.toEqual(await select(mode, 'east'))
  }
})

it('labels, registry and pull secrets reach each of them', () => {
  for (const { metadata } of everything) {
    expect(metadata.labels).toMatchObject({ 'example.com/cost-centre': '4711' })
  }
  const pod = podOf(everything)
  expect(pod).toMatchObject({
    imagePullSecrets: [{ name: 'global' }, { name: 'registry' }],
    nodeSelector: { 'kubernetes.io/arch': 'amd64' },
    priorityClassName: 'telephony',
    tolerations: [{ key: 'dedicated' }],
  })
  expect(proxyIn(pod).image).toMatch(/^mirror\.example\/telephony\/isales-auth-proxy@sha256:/)
})

it('the number of pods is left to an autoscaler where the values say none', async () => {
  const replicas = async (value: number | null) =>
    specOf(await make({ standalone: { replicas: value } }), 'Deployment')
  expect(await replicas(null)).not.toHaveProperty('replicas')
  expect(await replicas(0)).toMatchObject({ replicas: 0 })
})

it('the alerts and the dashboard equal config/', () => {
  const read = (path: string) => readFileSync(`${ROOT}config/${path}`, 'utf8')
  expect(specOf(beside, 'PrometheusRule')).toEqual(parse(read('prometheus/alerts.yaml')))
  const [map] = ofKind(beside, 'ConfigMap')
  expect(map?.data?.['isales-auth-proxy.json']?.trim()).toBe(
    read('grafana/isales-auth-proxy.json').trim(),
  )
})

it('the values tune, disable, label and document the alerts', () => {
  const rulesOf = (manifests: typeof beside) => {
    const { groups } = specOf(manifests, 'PrometheusRule') as {
      groups: readonly { rules: readonly Alert[] }[]
    }
    return new Map(groups.flatMap(({ rules }) => rules).map((one) => [one.alert, one]))
  }
  const [original, tuned] = [rulesOf(beside), rulesOf(everything)]
  const down = original.get('IsalesProxyDown')
  expect(tuned.get('IsalesProxyDown')).toEqual({
    ...down,
    labels: { severity: down?.labels['severity'], team: 'telephony' },
    annotations: {
      ...down?.annotations,
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

describe('the NetworkPolicy', () => {
  const rules = async (values: Parameters<typeof standalone>[0]) =>
    specOf(await make(values), 'NetworkPolicy') as unknown as {
      ingress: Rule[]
      egress?: Rule[]
    }
  const portsOf = (all: readonly Rule[] = []) =>
    all.map((rule) => [...new Set(rule.ports?.map(({ port }) => port))])
  const DNS = [53, 5353]
  const proxied = {
    HTTPS_PROXY: 'http://egress:3128',
    ISALES_URL: 'https://isales.example:8443',
  }
  const secret = { secretKeyRef: { name: 'egress', key: 'url' } }
  const fromSecret = {
    extraEnv: [{ name: 'HTTPS_PROXY', valueFrom: secret }],
    networkPolicy: { extraEgress: [{ ports: [{ port: 3128, protocol: 'TCP' }] }] },
  }
  const store = (SESSION_STORE_URL: string) => ({
    settings: { SESSION_STORE_URL },
    sessionStore: { secretName: 'store' },
  })

  // Allowed egress besides iSales: the proxy to it, the store, name servers on two ports.
  it.each([
    [{}, [DNS, [443]]],
    [{ settings: proxied }, [DNS, [8443, 3128]]],
    [fromSecret, [DNS, [443], [3128]]],
    [store('rediss://store.telephony:6380/1'), [DNS, [443], [6380]]],
    [store('redis://store.telephony'), [DNS, [443], [6379]]],
  ])(
    'lets in Prometheus and CTI-OBS, lets out for %j to %j, and no more',
    async (values, ports) => {
      const { ingress, egress = [] } = await rules(values)
      expect(portsOf(ingress)).toEqual([[9090], [8443]])
      expect(portsOf(egress)).toEqual(ports)
      // A name server may be anywhere; everything else has peers.
      const [dnsRule, ...rest] = egress
      expect(dnsRule).not.toHaveProperty('to')
      for (const { from, to } of [...ingress, ...rest.slice(0, 2)])
        expect(from ?? to).not.toEqual([])
      const dns = dnsRule?.ports?.map(({ protocol }) => protocol)
      expect(new Set(dns)).toEqual(new Set(['UDP', 'TCP']))
    },
  )

  it('treats an empty list as no peer, never as every peer', async () => {
    const lists = { prometheus: [], clients: [], isales: [], store: [] }
    const { ingress, egress } = await rules({ networkPolicy: lists })
    // Name servers are left.
    expect(portsOf(egress)).toEqual([DNS])
    expect(ingress).toEqual([])
  })

  it('lets out to a store in the cluster and outside of it', async () => {
    const { egress = [] } = await rules(store('valkeys://store.example'))
    const everywhere = [
      { namespaceSelector: {} },
      { ipBlock: { cidr: '0.0.0.0/0' } },
      { ipBlock: { cidr: '::/0' } },
    ]
    expect(egress.at(-1)).toEqual({ to: everywhere, ports: [{ protocol: 'TCP', port: 6379 }] })
  })

  it('is not made for the pod of CTI-OBS, which is not ours', () => {
    expect(ofKind(beside, 'NetworkPolicy')).toEqual([])
  })
})
