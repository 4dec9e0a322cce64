import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { ALERTS, ALERTS_FILE, read, type Alert } from '../docs/pages.ts'
import { ciValues, NAME, render, renderSidecar, standalone } from './support/chart.ts'
import { renderMany } from './support/many.ts'
import { ofKind, parseManifests, specOf, type Manifest } from './support/manifests.ts'
import { environment, podOf, proxyIn } from './support/pod.ts'
import { at } from './support/values.ts'

type Rule = { readonly ports?: readonly { readonly port: number }[] }

const SERVICE =
  'nodePort: 30443, externalTrafficPolicy: Local, loadBalancerSourceRanges: [192.0.2.0/24]'
const DIGEST = `sha256:${'0'.repeat(64)}`
const STORE = 'sessionStore: {secretName: s}, settings: {SESSION_STORE_URL'
const INJECTION = 'mode: sidecar, injection: {enabled: true, namespaces: [a]}'
const NO_USER = 'runAsUser: null, runAsGroup: null'

// Values on top of the minimum for a stand-alone proxy => places in the manifests, with what is there. `Service` and the like: the
// first object of this kind. `ingress` and `egress`: the ports of each rule. `hosts`: `ALLOWED_HOSTS` as a list.
const EFFECTS = `
standalone: {service: {type: ClusterIP, ${SERVICE}}} => Service.spec.externalTrafficPolicy: null
standalone: {service: {type: ClusterIP, ${SERVICE}}} => Service.spec.loadBalancerSourceRanges: null
standalone: {service: {type: ClusterIP, ${SERVICE}}} => Service.spec.ports: [{name: https, port: 443, targetPort: isales-proxy, protocol: TCP}]
standalone: {service: {type: NodePort, ${SERVICE}}} => Service.spec.externalTrafficPolicy: Local, Service.spec.ports.0.nodePort: 30443
standalone: {service: {type: NodePort, ${SERVICE}}} => Service.spec.type: NodePort, Service.spec.loadBalancerSourceRanges: null
standalone: {service: {type: LoadBalancer, ${SERVICE}}} => Service.spec.loadBalancerSourceRanges: [192.0.2.0/24]
standalone: {service: {port: 8443}} => Service.spec.ports: [{name: https, port: 8443, targetPort: isales-proxy, protocol: TCP}]
standalone: {service: {hosts: [a.example]}} => hosts.0: obs-${NAME}, hosts.4: obs-${NAME}-admin, hosts.8: a.example
standalone: {replicas: null} => Deployment.spec.replicas: null, env.LOGIN_REJECTED_ATTEMPTS: '1'
standalone: {replicas: 0} => Deployment.spec.replicas: 0
standalone: {replicas: 1} => env.LOGIN_REJECTED_ATTEMPTS: null
standalone: {replicas: 2} => env.LOGIN_REJECTED_ATTEMPTS: '1'
standalone: {strategy: RollingUpdate} => Deployment.spec.strategy.rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
standalone: {strategy: Recreate} => Deployment.spec.strategy: {type: Recreate}
standalone: {nodeSelector: {a: b}, priorityClassName: p} => Pod.nodeSelector: {a: b}, Pod.priorityClassName: p
standalone: {tolerations: [{key: a}]} => Pod.tolerations: [{key: a}], Pod.topologySpreadConstraints: null
tls: {secretName: a} => env.LISTEN_TLS_KEY_FILE: /run/isales/tls/tls.key, Pod.volumes.2.secret.secretName: a
secret: {name: a} => env.OBS_PASSWORD_FILE: /run/isales/credentials/obs-password, Pod.automountServiceAccountToken: false
global: {imageRegistry: a.example}, image: {registry: b.example, tag: '1.2'} => proxy.image: a.example/isales-auth-proxy:1.2
image: {registry: b.example, repository: c/d, digest: '${DIGEST}'} => proxy.image: 'b.example/c/d@${DIGEST}'
global: {imagePullSecrets: [a, {name: b}]}, imagePullSecrets: [c] => Pod.imagePullSecrets: [{name: a}, {name: b}, {name: c}]
podMonitor: {enabled: true} => PodMonitor.spec.selector.matchLabels: {app.kubernetes.io/name: ${NAME}, app.kubernetes.io/instance: obs}
podMonitor: {enabled: true}, mode: sidecar => PodMonitor.spec.selector.matchLabels: {isales-auth-proxy/release: obs}
prometheusRule: {enabled: true}, dashboard: {enabled: true} => PrometheusRule.metadata.name: obs-${NAME}, ConfigMap.metadata.name: obs-${NAME}-dashboard
mode: sidecar => NetworkPolicy: null, Deployment: null, Service: null
podMonitor: {enabled: true}, ${INJECTION} => PodMonitor.spec.selector.matchLabels: {isales-auth-proxy: obs}
podMonitor: {enabled: true}, ${INJECTION} => PodMonitor.spec.namespaceSelector: {any: true}
settings: {DRAIN_DELAY: 2.5s, CLIENT_DEADLINE: 2.8s} => Pod.terminationGracePeriodSeconds: 33
settings: {DRAIN_DELAY: 5m, CLIENT_DEADLINE: 30s} => Pod.terminationGracePeriodSeconds: 340
settings: {DRAIN_DELAY: 5, CLIENT_DEADLINE: 20} => Pod.terminationGracePeriodSeconds: 35
settings: {DRAIN_DELAY: 500ms, CLIENT_DEADLINE: 20500ms} => Pod.terminationGracePeriodSeconds: 32
settings: {LISTEN: null, DRAIN_DELAY: null, LOG_LEVEL: null} => env.LISTEN: ':8443', env.DRAIN_DELAY: 5s, env.LOG_LEVEL: null
settings: {LOGIN_REJECTED_ATTEMPTS: 2} => env.LOGIN_REJECTED_ATTEMPTS: '2'
settings: {STATE_DIR: /state} => env.STATE_DIR: /state, Pod.volumes.0.name: isales-credentials
settings: {STATE_DIR: null} => env.STATE_DIR: /run/isales/state/proxy, Pod.volumes.0: {name: isales-state, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
settings: {STATE_DIR: null} => proxy.volumeMounts.0: {name: isales-state, mountPath: /run/isales/state}
containerSecurityContext: {${NO_USER}} => proxy.securityContext.runAsUser: null, proxy.securityContext.runAsNonRoot: true
podSecurityContext: {${NO_USER}, fsGroup: null} => Pod.securityContext.runAsUser: null, Pod.securityContext.fsGroup: null
podSecurityContext: {${NO_USER}, fsGroup: null} => Pod.volumes.1.secret.defaultMode: 0o444
containerSecurityContext: null, podSecurityContext: null => proxy.securityContext: null, Pod.securityContext: null
networkPolicy: {enabled: true} => ingress: [[9090], [8443]], egress: [[53, 5353], [443]]
networkPolicy: {prometheus: [{podSelector: {}}]} => NetworkPolicy.spec.ingress.0.from: [{podSelector: {}}]
networkPolicy: {enabled: true} => NetworkPolicy.spec.egress.1.to: [{namespaceSelector: {}}, {ipBlock: {cidr: 0.0.0.0/0}}, {ipBlock: {cidr: ::/0}}]
networkPolicy: {enabled: true} => NetworkPolicy.spec.egress.0: {ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}, {protocol: UDP, port: 5353}, {protocol: TCP, port: 5353}]}
networkPolicy: {extraEgress: [{ports: [{port: 3128}]}]} => egress: [[53, 5353], [443], [3128]]
networkPolicy: {prometheus: [], clients: [], isales: [], store: []} => ingress: [], egress: [[53, 5353]]
settings: {HTTPS_PROXY: 'http://egress:3128', ISALES_URL: 'https://isales.example:8443'} => egress: [[53, 5353], [8443, 3128]]
${STORE}: 'rediss://store:6380/1'} => egress: [[53, 5353], [443], [6380]], env.LOGIN_REJECTED_ATTEMPTS: '3'
${STORE}: 'redis://store'}, networkPolicy: {store: [{podSelector: {}}]} => NetworkPolicy.spec.egress.2.to: [{podSelector: {}}]
${STORE}: 'redis://store'} => NetworkPolicy.spec.egress.2.ports: [{protocol: TCP, port: 6379}]`
  .trim()
  .split('\n')
  .map((row) => row.split(' => ') as [values: string, places: string])

const members = (text: string) => parse(`{${text}}`) as Record<string, unknown>

/** Returns the objects that a place may begin with. */
const beginnings = (manifests: readonly Manifest[]) => {
  const rules = specOf(manifests, 'NetworkPolicy') ?? {}
  const ports = (all: unknown) =>
    (all as readonly Rule[] | undefined)?.map((rule) =>
      Array.from(new Set(rule.ports?.map(({ port }) => port))),
    )
  const pod = ofKind(manifests, 'Deployment').length > 0 ? podOf(manifests) : undefined
  const proxy = pod && proxyIn(pod)
  const env = proxy ? environment(proxy) : {}
  return {
    ...Object.fromEntries(manifests.toReversed().map((one) => [one.kind, one])),
    ...(proxy && { Pod: pod, proxy, env }),
    hosts: env['ALLOWED_HOSTS']?.split(','),
    ingress: ports(rules['ingress']),
    egress: ports(rules['egress']),
  }
}

const all = EFFECTS.map(([values]) => standalone({ mode: 'standalone', ...members(values) }))
const made = await renderMany(all)
it.each(EFFECTS.map(([values, places], index) => [values, places, made[index]] as const))(
  '%s makes %s',
  (_values, places, { yaml = '', ...failed } = {} as never) => {
    expect(failed).toEqual({ refusal: '', trace: '' })
    const manifests = parseManifests(yaml)
    for (const { kind, metadata } of manifests)
      expect(metadata.namespace).toBe(kind.includes('AdmissionPolicy') ? undefined : 'telephony')
    const from = beginnings(manifests)
    const expected = members(places)
    const found = Object.keys(expected).map((place) => [place, at(from, place) ?? null])
    expect(Object.fromEntries(found)).toEqual(expected)
  },
)

const sidecar = await renderSidecar()
const everything = await render(ciValues('standalone-everything'))

it("the alerts and the dashboard equal the chart's files", () => {
  expect(specOf(sidecar, 'PrometheusRule')).toEqual(parse(read(ALERTS_FILE)))
  const [map] = ofKind(sidecar, 'ConfigMap')
  const file = read(`helm/isales-auth-proxy/files/${NAME}.json`)
  expect(map?.data?.[`${NAME}.json`]?.trim()).toBe(file.trim())
})

it('the alerts and the dashboard are tuned, disabled, labelled and documented by values', () => {
  for (const { metadata } of everything)
    expect(metadata.labels).toMatchObject({ 'example.com/cost-centre': '4711' })
  const rulesOf = (rules: readonly Alert[]) => new Map(rules.map((one) => [one.alert, one]))
  const rules = at(specOf(everything, 'PrometheusRule'), 'groups.0.rules')
  const [original, tuned] = [rulesOf(ALERTS), rulesOf(rules as readonly Alert[])]
  const down = original.get('IsalesProxyDown')
  const runbook = 'https://docs.example/isales-auth-proxy/docs/operations.md#isalesproxydown'
  expect(tuned.get('IsalesProxyDown')).toEqual({
    ...down,
    labels: { ...down?.labels, team: 'telephony' },
    annotations: { ...down?.annotations, runbook_url: runbook },
  })
  expect([...original.keys()].filter((name) => !tuned.has(name))).toEqual(['IsalesProxyLatency'])
  expect(tuned.get('IsalesProxyCallsLost')).toEqual({
    ...original.get('IsalesProxyCallsLost'),
    annotations: expect.anything() as unknown,
    for: '10m',
    labels: { severity: 'critical', team: 'telephony' },
  })
})
