import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { read } from '../docs/pages.ts'
import { CHART, CI_NAMES, ciFile, ciValues, PARENT, NAME, notes } from './support/chart.ts'
import { render, sidecar, standalone, template } from './support/chart.ts'
import type { Rendering } from './support/chart.ts'
import { renderMany } from './support/many.ts'
import { ROOT, run, succeed } from './support/run.ts'
import { newest, older } from './support/tools.ts'

const { helm } = newest
const chart = PARENT

/** Problem | values on top of the minimum for a stand-alone proxy | helm's message, a regular expression. */
const REFUSED = `
a misspelt setting | settings: {ISALES_URI: x} | ISALES_URI
plain http | settings: {ISALES_URL: http://isales} | use https, or set settings.ISALES_ALLOW_HTTP
a password in the settings | settings: {ISALES_PASSWORD: x} | the key that secret.keys.password names
that of CTI-OBS | settings: {OBS_PASSWORD: x} | the key that secret.keys.obsPassword names
calls on loopback | settings: {LISTEN: '127.0.0.1:8443'} | settings.LISTEN is 127.0.0.1:8443: the Ser
two listeners on a port | settings: {LISTEN: ':9090'} | settings.LISTEN .:9090. and settings.ADMIN_LI
port 0 | settings: {LISTEN: ':0'} | settings.LISTEN is :0: a port is 1 to 65535
a port that there is not | settings: {ADMIN_LISTEN: ':99999'} | settings.ADMIN_LISTEN is :99999: a
the same of iSales | settings: {ISALES_URL: 'https://i:99999'} | settings.ISALES_URL is https://i:9
no key | settings: {SESSION_STORE_URL: 'valkeys://store'} | sessionStore.secretName is required
metrics on loopback | settings: {ADMIN_LISTEN: '127.0.0.1:9090'} | settings.ADMIN_LISTEN is 127.0.0.1
the same by name | settings: {ADMIN_LISTEN: 'localhost:9090'} | settings.ADMIN_LISTEN is localhost
the same of IPv6 | settings: {ADMIN_LISTEN: '[::1]:9090'} | settings.ADMIN_LISTEN is
a misspelt value | standalone: {replica: 3} | replica
one that went | serviceMonitor: {enabled: true} | serviceMonitor
a store without its URL | sessionStore: {secretName: s} | SESSION_STORE_URL
an authority of a store without TLS | {sessionStore: {secretName: s, ca: {configMapName: c}}, settings: {SESSION_STORE_URL: 'valkey://store'}} | sessionStore.ca is for a store with TLS
an authority of clients without a certificate | {tls: {clientCa: true}, settings: {UNSAFE_LISTEN: true}} | tls.clientCa needs tls.secretName
no login on a network | secret: {name: s, keys: {obsPassword: ''}} | settings.LISTEN is :8443, and CTI-OBS need not log in
a setting in extraEnv | extraEnv: [{name: MAX_IN_FLIGHT, value: x}] | set settings.MAX_IN
a password in extraEnv | extraEnv: [{name: ISALES_PASSWORD, value: x}] | ISALES_PASSWORD and ISALES_PASSWORD_FILE are both set
a variable twice | extraEnv: [{name: A, value: x}, {name: A, value: x}] | extraEnv names A twice
injection | injection: {enabled: true} | injection\\.enabled adds.*mode=sidecar
a host with a scheme | standalone: {service: {hosts: ['https://host.example']}} | hosts.*[Dd]oes not match pattern
a host with a port | standalone: {service: {hosts: [a.example, 'host.example:8443']}} | hosts[./]1\\b.*[Dd]oes not match pattern
a mistyped quantity | resources: {limits: {memory: 256mb}} | limits[./]memory
a resource that there is not | resources: {limits: {mem: 256Mi}} | resources[./]limits
a misspelt part of the resources | resources: {limit: {memory: 256Mi}} | resources.*limit\\b
a request above its limit | resources: {requests: {memory: 0.5Gi}} | resources.requests.memory is 0.5Gi, above resources.limits.memory, 192Mi
a user that is a text | containerSecurityContext: {runAsUser: abc} | containerSecurityContext[./]runAsUser
a misspelt privilege | containerSecurityContext: {runAsuser: 1} | containerSecurityContext.*runAsuser
a misspelt profile | containerSecurityContext: {seccompProfile: {type: Default}} | seccompProfile[./]type
a misspelt privilege of the pod | podSecurityContext: {capabilities: {}} | podSecurityContext.*capabilities
a volume with a name of the chart's | extraVolumes: [{name: isales-state, emptyDir: {}}] | extraVolumes names isales-state
a volume twice | extraVolumes: [{name: a}, {name: a}] | extraVolumes names a twice
a mount without its path | extraVolumeMounts: [{name: a}] | extraVolumeMounts.*mountPath
one above all | standalone: {service: {nodePort: 99999}} | service[./]nodePort
a registry with a scheme | image: {registry: 'https://r.example'} | image[./]registry
a misspelt alert | prometheusRule: {enabled: true, alerts: {No: {}}} | there is no such alert
a sidecar that everybody reaches | {mode: sidecar, settings: {LISTEN: ':8080'}} | settings.LISTEN is :8080, and CTI-OBS need not log in
the same of injection | {mode: sidecar, injection: {enabled: true, namespaces: [a]}, tls: {}, settings: {LISTEN: '0.0.0.0:8080'}} | settings.LISTEN is 0.0.0.0:8080, and CTI-OBS need
a proxy in a Secret that nothing is let out to | extraEnv: [{name: HTTPS_PROXY, valueFrom: {secretKeyRef: {name: egress, key: url}}}] | networkPolicy.extraEgress is required`
  .trim()
  .split('\n')
  .map((row) => row.split(' | ') as [what: string, values: string, said: string])

/** The same for whole values, with their rendering. */
const REFUSED_WHOLE: readonly (readonly [string, object, string, Rendering])[] = [
  ['Kubernetes 1.28', standalone(), 'kubeVersion|incompatible', { kube: '1.28.15' }],
  [
    'a release with a dot',
    standalone(),
    'release a.b .*: set fullnameOverride',
    { release: 'a.b' },
  ],
  [
    'templates that get the wrong scope',
    { aliased: { ...ciValues('sidecar'), enabled: true } },
    'pass the scope of the chart',
    { chart },
  ],
]

it.each([newest, older])('helm $version finds nothing in the chart', async ({ version, helm }) => {
  expect(await succeed(helm, ['version', '--short'])).toContain(`v${version}.`)
  for (const name of CI_NAMES) {
    const args = ['lint', '--strict', CHART, '--values', ciFile(name), '--kube-version=1.36.0']
    expect(await run(helm, args)).toMatchObject({ code: 0 })
  }
})

it.each([newest, older])('helm $version refuses each wrong value with a message', async (tools) => {
  const all = REFUSED.map(([, values]) => ({ mode: 'standalone', ...(parse(values) as object) }))
  const made = await renderMany(all.map(standalone), tools)
  const silent = REFUSED.filter(([, , said], at) => !new RegExp(said).test(made[at]?.refusal ?? ''))
  expect(silent.map(([what]) => what)).toEqual([])
})

it.each(REFUSED_WHOLE)(
  'the chart refuses %s, with a message',
  async (_what, values, said, rendering) => {
    for (const { code, stderr } of await template(values, rendering)) {
      expect(code).not.toBe(0)
      expect(stderr).toMatch(new RegExp(said))
    }
  },
)

it('one message names every required value', async () => {
  const [made] = await renderMany([{ mode: 'standalone' }])
  expect(made?.refusal.match(/^\S+ is required/gm)).toEqual([
    'settings.ISALES_URL is required',
    'secret.name is required',
    'tls.secretName is required',
  ])
})

/** The rows of the table in docs/kubernetes.md, by the link of each. */
const TABLE = read('docs/kubernetes.md')
const ROWS = new Map(Object.entries({ sidecar: '#in-your-chart', injection: '#by-injection' }))

it.each(CI_NAMES.flatMap((ci) => ['1.29.0', '1.33.0', '1.36.0'].map((kube) => ({ ci, kube }))))(
  'the values of $ci render to the same bytes with both helms in Kubernetes $kube, if the page names it',
  async ({ ci, kube }) => {
    const row = `\\(${ROWS.get(ci) ?? '#stand-alone'}\\) \\| (1\\.\\d+) \\| 3.17 or 4 \\|`
    const [, oldest = 'none'] = new RegExp(row).exec(TABLE) ?? []
    const made =
      ci === 'sidecar' ? render(sidecar(ci), { chart, kube }) : render(ciValues(ci), { kube })
    const refused = (error: unknown) => /needs Kubernetes 1.\d+/.exec(String(error))?.[0]
    const outcome = await made.then(() => 'rendered', refused)
    const isOlder = kube.localeCompare(`${oldest}.0`) < 0
    expect(outcome).toBe(isOlder ? `needs Kubernetes ${oldest}` : 'rendered')
  },
)

it('the chart warns in its notes of replicas that do not share a token', async () => {
  const warning = 'let them share one token (sessionStore'
  expect(await notes('standalone', '--set', 'standalone.replicas=2')).toContain(warning)
  expect(await notes('standalone', '--set', 'standalone.replicas=1')).not.toContain(warning)
  expect(await notes('sharing', '--set', 'standalone.replicas=2')).not.toContain(warning)
})

it('the chart prints the next steps after the installation', async () => {
  const text = await notes('standalone')
  for (const part of [
    'Watch it start and log in',
    'obsUrl = https://isales-proxy.example\n',
    'check --live',
    'podMonitor.enabled=true',
    'lets these peers scrape the metrics: [{"namespaceSelector"',
    'connect to iSales on port 443.',
  ])
    expect(text).toContain(part)
  const closed = await notes('standalone', '--set-json', 'networkPolicy.prometheus=[]')
  expect(closed).toContain('no peer scrape the metrics')
  const injected = await notes('injection')
  expect(injected).toContain('`isales-auth-proxy: obs` in telephony, vendor, and in namespaces')
  expect(injected).toMatch(/secret generic isales-credentials --namespace vendor --from-lit/)
  expect(injected).toMatch(/`isales-auth-proxy\/injected: obs\.[0-9a-f]{8}`/)
  expect(await notes('standalone-everything')).not.toContain('! ')
  const moved = await notes('sidecar', '--set', 'settings.LISTEN=127.0.0.1:18080')
  expect(moved).toContain('obsUrl = http://127.0.0.1:18080')
})

it('the chart has the version of the program, and an icon in the repository', () => {
  const { version } = JSON.parse(read('package.json')) as { version: string }
  const chart = parse(read(`helm/${NAME}/Chart.yaml`)) as Record<string, string>
  expect(chart).toMatchObject({ version, appVersion: version })
  expect(read(chart['icon']?.replace(`${chart['home']}/raw/main/`, '') ?? '')).toMatch(/^<svg/)
})

it('the chart is packed with the alerts and the dashboard, and without the files of its tests', async () => {
  const file = await succeed(helm, ['package', CHART, '--destination', join(ROOT, '.tmp')])
  const packed = file.trim().replace(/^.* /, '')
  const list = (await succeed('tar', ['tzf', packed])).split('\n')
  for (const file of ['LICENSE', 'files/alerts.yaml', 'files/isales-auth-proxy.json'])
    expect(list).toContain(`isales-auth-proxy/${file}`)
  expect(list.filter((path) => path.includes('/ci/'))).toEqual([])
})
