import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ciFile, render } from './support/chart.ts'
import { faults, ofKind, podSpec } from './support/manifests.ts'
import { deploymentOf, environment, proxyIn, unrestricted } from './support/pod.ts'
import { helms } from './support/tools.ts'
import { createTemplates, type Templates } from './support/values.ts'

describe.each(await helms())('the values of the chart, with helm $version,', ({ helm }) => {
  let templates: Templates
  beforeAll(async () => {
    templates = await createTemplates(helm)
  })
  afterAll(() => templates.remove())
  const make: Templates['make'] = (...args) => templates.make(...args)
  const refusal: Templates['refusal'] = (...args) => templates.refusal(...args)
  const spec = async (kind: 'Service' | 'Deployment', values: object) => {
    const [found] = ofKind(await make(values), kind)
    return found?.spec as Record<string, unknown>
  }
  const service = (values: object) => spec('Service', { standalone: { service: values } })

  it('give the Service what its type has a use for, and nothing that the API server refuses', async () => {
    const everything = {
      nodePort: 30443,
      externalTrafficPolicy: 'Local',
      loadBalancerClass: 'example.com/internal',
      loadBalancerSourceRanges: ['192.0.2.0/24'],
      ipFamilyPolicy: 'PreferDualStack',
      ipFamilies: ['IPv6', 'IPv4'],
    }
    const both = { ipFamilyPolicy: 'PreferDualStack', ipFamilies: ['IPv6', 'IPv4'] }
    const { nodePort, ...rest } = everything
    const balanced = await service({ type: 'LoadBalancer', ...everything })
    expect(balanced).toMatchObject({ ...rest, ports: [{ nodePort }] })
    const ofNodes = await service({ type: 'NodePort', ...everything })
    expect(ofNodes).toMatchObject({
      ...both,
      externalTrafficPolicy: 'Local',
      ports: [{ nodePort: 30443 }],
    })
    expect(Object.keys(ofNodes)).not.toContain('loadBalancerClass')
    expect(Object.keys(ofNodes)).not.toContain('loadBalancerSourceRanges')
    const inside = await service({ type: 'ClusterIP', ...everything })
    expect(Object.keys(inside).toSorted()).toEqual(
      ['type', 'selector', 'ports', 'ipFamilyPolicy', 'ipFamilies'].toSorted(),
    )
    expect(JSON.stringify(inside)).not.toContain('nodePort')
  })

  it('leave the user to the cluster where it chooses one, and stay restricted', async () => {
    const open = { runAsUser: null, runAsGroup: null }
    const manifests = await make({
      containerSecurityContext: open,
      podSecurityContext: { ...open, fsGroup: null },
    })
    const pod = deploymentOf(manifests)
    expect(JSON.stringify(manifests)).not.toMatch(/65532|null/)
    expect(unrestricted(pod, proxyIn(pod))).toEqual([])
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true })
    // Without a group of its own the files have to be readable by whoever the cluster chose.
    expect(pod.volumes?.find(({ secret }) => secret)?.secret?.defaultMode).toBe(0o444)
    const none = deploymentOf(
      await make({ containerSecurityContext: null, podSecurityContext: null }),
    )
    expect(none).not.toHaveProperty('securityContext')
    expect(proxyIn(none)).not.toHaveProperty('securityContext')
  })

  it.each([
    [
      'a loopback address',
      { ADMIN_LISTEN: '127.0.0.1:9090' },
      'settings.ADMIN_LISTEN is 127.0.0.1',
    ],
    ['the loopback name', { ADMIN_LISTEN: 'localhost:9090' }, 'settings.ADMIN_LISTEN is localhost'],
    ['the loopback of IPv6', { ADMIN_LISTEN: '[::1]:9090' }, 'settings.ADMIN_LISTEN is'],
    ['a duration of two units', { DRAIN_DELAY: '1h30m' }, 'DRAIN_DELAY'],
    ['a duration that is none', { DRAIN_TIMEOUT: 'soon' }, 'DRAIN_TIMEOUT'],
  ])('are refused for %s', async (_what, settings, said) => {
    expect(await refusal({ settings })).toMatch(said)
  })

  it.each([
    ['2.5s', '0s', 8],
    ['90m', '1h', 9005],
    [5, 25, 35],
    ['500ms', '1m', 66],
  ])('give a pod that drains for %s and %s the time for it', async (delay, timeout, seconds) => {
    const settings = { DRAIN_DELAY: delay, DRAIN_TIMEOUT: timeout }
    expect(deploymentOf(await make({ settings })).terminationGracePeriodSeconds).toBe(seconds)
  })

  it('refuse an environment variable that would stand in a pod twice', async () => {
    const value = 'x'
    expect(await refusal({ extraEnv: [{ name: 'MAX_IN_FLIGHT', value }] })).toMatch(
      'say settings.MAX_IN_FLIGHT instead',
    )
    expect(
      await refusal({
        extraEnv: [
          { name: 'A', value },
          { name: 'A', value },
        ],
      }),
    ).toMatch('extraEnv names A twice')
    const manifests = await make({ extraEnv: [{ name: 'NODE_OPTIONS', value }] })
    const names = proxyIn(deploymentOf(manifests)).env?.map(({ name }) => name) ?? []
    expect(new Set(names).size).toBe(names.length)
  })

  it('keep the monitors of two releases in one namespace apart', async () => {
    const monitored = { podMonitor: { enabled: true } }
    for (const mode of ['standalone', 'sidecar']) {
      const [one, other] = await Promise.all(
        ['east', 'west'].map(async (name) => {
          const manifests = await templates.makeAs(name, { ...monitored, mode })
          const [monitor] = ofKind(manifests, 'PodMonitor')
          const { selector } = (monitor ?? {}).spec as { selector: { matchLabels: object } }
          return selector.matchLabels
        }),
      )
      expect(Object.values(one ?? {})).toContain('east')
      expect(other).not.toEqual(one)
    }
    const own = { podMonitor: { enabled: true, selector: { matchLabels: { app: 'cti' } } } }
    const [monitor] = ofKind(await make({ ...own, mode: 'sidecar' }), 'PodMonitor')
    expect(monitor?.spec).toMatchObject({ selector: { matchLabels: { app: 'cti' } } })
  })

  it('reach each object: labels, annotations, registry, pull secrets, account, DNS, hosts, probes', async () => {
    const manifests = await render(helm, ciFile('standalone-everything'))
    const further = manifests.filter(({ metadata }) => /-further$|-as-text$/.test(metadata.name))
    expect(further.map(({ metadata }) => metadata.name)).toEqual([
      'isales-proxy-further',
      'obs-as-text',
    ])
    expect(further[0]?.data).toEqual({ namespace: 'telephony' })
    for (const { kind, metadata } of manifests.filter((one) => !further.includes(one))) {
      if (kind === 'Pod') continue
      expect(metadata.labels).toMatchObject({ 'example.com/cost-centre': '4711' })
      expect(metadata.annotations).toMatchObject({ 'example.com/contact': 'telephony' })
    }
    const pod = deploymentOf(manifests)
    expect(pod).toMatchObject({
      serviceAccountName: 'telephony',
      automountServiceAccountToken: false,
      imagePullSecrets: [{ name: 'global' }, { name: 'registry' }],
      dnsPolicy: 'None',
      dnsConfig: { nameservers: ['192.0.2.53'] },
      hostAliases: [{ ip: '198.51.100.7', hostnames: ['isales.example'] }],
    })
    expect(proxyIn(pod)).toMatchObject({
      image: expect.stringMatching(/^mirror\.example\/telephony\/isales-auth-proxy@sha256:/),
      startupProbe: { periodSeconds: 1, failureThreshold: 120 },
      livenessProbe: { initialDelaySeconds: 5 },
      readinessProbe: { successThreshold: 2 },
    })
    const [account] = ofKind(manifests, 'ServiceAccount')
    expect(account).toMatchObject({
      metadata: { name: 'telephony', annotations: { 'example.com/role': 'none' } },
      automountServiceAccountToken: false,
    })
    const [monitor] = ofKind(manifests, 'ServiceMonitor')
    expect(monitor?.spec).toMatchObject({ endpoints: [{ scrapeTimeout: '10s' }] })
  })

  it('leave the number of pods to an autoscaler', async () => {
    const [deployment] = ofKind(await make({ standalone: { replicas: null } }), 'Deployment')
    expect(deployment?.spec).not.toHaveProperty('replicas')
    expect(await spec('Deployment', { standalone: { replicas: 0 } })).toMatchObject({ replicas: 0 })
  })

  it.each([
    ['two replicas', {}, '1'],
    ['replicas without a number', { standalone: { replicas: null } }, '1'],
    ['one replica', { standalone: { replicas: 1 } }, undefined],
    [
      'replicas that share',
      {
        sessionStore: { secretName: 'store' },
        settings: { SESSION_STORE_URL: 'valkeys://store.example' },
      },
      '3',
    ],
    ['who says so', { settings: { LOGIN_REJECTED_ATTEMPTS: 2 } }, '2'],
  ])(
    'leave %s so many attempts with a wrong password as its replicas know of: %j: %s',
    async (_what, values, attempts) => {
      const env = environment(proxyIn(deploymentOf(await make(values))))
      expect(env['LOGIN_REJECTED_ATTEMPTS']).toBe(attempts)
    },
  )

  it('mount a directory for the state, which a restart of the container keeps', async () => {
    const pod = deploymentOf(await make({}))
    const { STATE_DIR } = environment(proxyIn(pod))
    const mount = proxyIn(pod).volumeMounts?.find(({ mountPath }) => mountPath === STATE_DIR)
    expect(mount?.readOnly).not.toBe(true)
    expect(pod.volumes?.find(({ name }) => name === mount?.name)).toHaveProperty('emptyDir')
    // Somebody else's directory comes with its own volume.
    const own = deploymentOf(await make({ settings: { STATE_DIR: '/state' } }))
    expect(own.volumes?.map(({ name }) => name)).not.toContain('isales-state')
  })

  it('run in the versions of Kubernetes that the chart says', async () => {
    expect(await refusal({}, '--kube-version', '1.26.15')).toMatch(/kubeVersion|incompatible/)
    expect(await templates.attempt({}, '--kube-version', '1.27.0')).toMatchObject({ code: 0 })
  })

  it('give manifests without an unknown or missing field, whatever is set', async () => {
    const manifests = await make({
      podMonitor: {
        enabled: true,
        scrapeTimeout: '5s',
        relabelings: [{ targetLabel: 'cluster', replacement: 'east' }],
      },
      prometheusRule: { enabled: true, alerts: { IsalesProxyDown: { for: '5m' } } },
      standalone: {
        serviceAccount: { create: true },
        service: { type: 'NodePort', nodePort: 30001 },
      },
      containerSecurityContext: null,
      global: { imagePullSecrets: [{ name: 'a' }, 'b'] },
    })
    expect(faults(manifests)).toEqual([])
    expect(podSpec(ofKind(manifests, 'Deployment')[0]).imagePullSecrets).toEqual([
      { name: 'a' },
      { name: 'b' },
    ])
    expect(await refusal({ prometheusRule: { enabled: true, alerts: { Misspelt: {} } } })).toMatch(
      'there is no such alert',
    )
    expect(await refusal({ livenessProbe: { exec: { command: ['true'] } } })).toMatch(
      'livenessProbe',
    )
  })
})
