import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ofKind } from './support/manifests.ts'
import { helms } from './support/tools.ts'
import { createTemplates, type Templates } from './support/values.ts'

describe.each(await helms())('the NetworkPolicy, with helm $version,', ({ helm }) => {
  let templates: Templates
  beforeAll(async () => {
    templates = await createTemplates(helm)
  })
  afterAll(() => templates.remove())
  const make: Templates['make'] = (...args) => templates.make(...args)
  const refusal: Templates['refusal'] = (...args) => templates.refusal(...args)

  const rules = async (values: object) => {
    const [policy] = ofKind(await make(values), 'NetworkPolicy')
    return policy?.spec as { ingress: Rule[]; egress: Rule[] }
  }
  interface Rule {
    readonly from?: readonly unknown[]
    readonly to?: readonly unknown[]
    readonly ports?: readonly { readonly port: number; readonly protocol: string }[]
  }
  const ports = (all: readonly Rule[]) =>
    all.map((rule) => [...new Set(rule.ports?.map(({ port }) => port))])

  it('opens the port of iSales and that of the proxy to it', async () => {
    const settings = {
      HTTPS_PROXY: 'http://egress.example:3128',
      ISALES_URL: 'https://isales.example:8443',
    }
    expect(ports((await rules({ settings })).egress)).toEqual([[53], [8443, 3128]])
  })

  it('asks for the port of a proxy whose address is in a Secret, and opens it', async () => {
    const valueFrom = { secretKeyRef: { name: 'egress', key: 'url' } }
    const extraEnv = [{ name: 'HTTPS_PROXY', valueFrom }]
    expect(await refusal({ extraEnv })).toMatch('networkPolicy.isalesPorts: name the port')
    const found = await rules({ extraEnv, networkPolicy: { isalesPorts: [3128] } })
    expect(ports(found.egress)).toEqual([[53], [443, 3128]])
  })

  it('opens the collector of traces when there is one', async () => {
    const settings = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector.tracing:4318' }
    const { egress } = await rules({ settings })
    expect(egress.at(-1)).toEqual({
      to: [{ namespaceSelector: {} }],
      ports: [{ protocol: 'TCP', port: 4318 }],
    })
  })

  it.each([
    ['rediss://store.telephony:6380/1', [6380]],
    ['redis://store.telephony', [6379]],
    ['redis+sentinel://a.telephony:26379,b.telephony:26380/1', [26379, 26380]],
  ])('opens the ports of the shared store %s', async (url, wanted) => {
    const { egress } = await rules({ settings: { SESSION_STORE_URL: url } })
    expect(egress.at(-1)?.to).toEqual([{ namespaceSelector: {} }])
    expect(egress.at(-1)?.ports?.map(({ port }) => port)).toEqual(wanted)
  })

  it('opens name servers on other ports', async () => {
    const { egress } = await rules({ networkPolicy: { dnsPorts: [53, 5353] } })
    expect(egress[0]?.ports).toEqual(
      [53, 5353].flatMap((port) => ['UDP', 'TCP'].map((protocol) => ({ protocol, port }))),
    )
    expect(await refusal({ networkPolicy: { dnsPorts: [] } })).toMatch('dnsPorts')
  })

  it('takes an empty list for nobody, never for everybody', async () => {
    const lists = { prometheus: [], clients: [], isales: [], dns: [], otlp: [], store: [] }
    const { ingress, egress } = await rules({ networkPolicy: lists })
    expect(egress ?? []).toEqual([])
    // What is left is the pod of `helm test`.
    expect(ingress).toEqual([
      {
        from: [
          {
            podSelector: {
              matchLabels: {
                'app.kubernetes.io/name': 'isales-auth-proxy-test',
                'app.kubernetes.io/instance': 'obs',
              },
            },
          },
        ],
        ports: [{ protocol: 'TCP', port: 9090 }],
      },
    ])
    for (const rule of (await rules({})).ingress) expect(rule.from?.length).toBeGreaterThan(0)
  })
})
