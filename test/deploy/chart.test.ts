import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { IContainer } from 'kubernetes-models/v1/Container'
import type { IPodSpec } from 'kubernetes-models/v1/PodSpec'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { CHART, ciFile, ciNames, render } from './support/chart.ts'
import { faults, ofKind, podSpec } from './support/manifests.ts'
import { unrestricted } from './support/pod.ts'
import { ROOT, run, succeed } from './support/run.ts'
import { newest, older } from './support/tools.ts'

const tools = [
  { version: '4.1', helm: (await newest())?.helm },
  { version: '3.17', helm: (await older())?.helm },
]
const names = await ciNames()
const [latest] = tools
const helm = latest?.helm ?? ''

describe.each(tools)('the chart with helm $version', ({ version, helm = '' }) => {
  it.skipIf(helm === '')('is really that version', async () => {
    expect(await succeed(helm, ['version', '--short'])).toContain(`v${version}.`)
  })

  it.skipIf(helm === '').each(names)('passes lint with the values %s', async (name) => {
    const args = ['lint', '--strict', CHART, '--values', ciFile(name)]
    const outcome = await run(helm, [...args, '--kube-version', '1.36.0'])
    expect(outcome).toMatchObject({ code: 0 })
  })

  it.skipIf(helm === '')('makes no manifest with an unknown or missing field', async () => {
    const sets = await Promise.all(
      names.map((name) => render(helm, ciFile(name), '--kube-version', '1.36.0')),
    )
    for (const manifests of sets) expect(manifests.length).toBeGreaterThan(0)
    expect(faults(sets.flat())).toEqual([])
  })

  it.skipIf(helm === '').each([
    ['a misspelt value', 'standalone.replica=3', 'replica'],
    ['a misspelt setting', 'settings.ISALES_URI=https://isales.example', 'ISALES_URI'],
    ['a password among the settings', 'settings.ISALES_PASSWORD=secret', 'ISALES_PASSWORD'],
    [
      'a password in the address of the store',
      'settings.SESSION_STORE_URL=valkeys://obs:secret@store.example',
      'SESSION_STORE_URL',
    ],
    ['a Secret of the store without its address', 'sessionStore.secretName=s', 'SESSION_STORE_URL'],
    ['a value of the wrong type', 'standalone.replicas=many', 'replicas'],
  ])('refuses %s', async (_what, value, named) => {
    const args = ['template', CHART, '--values', ciFile('standalone'), '--set-string', value]
    const outcome = await run(helm, args)
    expect(outcome.code).not.toBe(0)
    expect(outcome.stderr).toContain(named)
  })
})

describe.skipIf(helm === '')('the check of manifests', () => {
  it('sees a field that the API does not know, deep inside', async () => {
    const manifests = await render(helm, ciFile('standalone'))
    const [deployment] = ofKind(manifests, 'Deployment')
    Object.assign(podSpec(deployment).containers[0] ?? {}, { readynessProbe: {} })
    expect(faults(manifests).join()).toMatch(/readynessProbe.* does not exist in type 'IContainer'/)
  })

  it('sees a field of a custom resource that is missing', async () => {
    const manifests = await render(helm, ciFile('sidecar'))
    const [monitor] = ofKind(manifests, 'PodMonitor')
    Reflect.deleteProperty(monitor?.spec as object, 'selector')
    expect(faults(manifests).join()).toContain('selector')
  })
})

describe.skipIf(helm === '')('the chart', () => {
  // helm 3 asks a cluster for its version before it prints notes.
  it.each([
    ['two replicas without a shared store', 'standalone', 2, true],
    ['one replica', 'standalone', 1, false],
    ['two replicas that share', 'sharing', 2, false],
  ] as const)('warns in its notes where it must: %s', async (_what, name, replicas, warns) => {
    const values = ['--values', ciFile(name), '--set', `standalone.replicas=${replicas}`]
    const notes = await succeed(helm, ['install', 'obs', CHART, '--dry-run=client', ...values])
    expect(notes).toContain('See it start, and log in')
    expect(/let them share one token \(sessionStore/.test(notes)).toBe(warns)
  })

  it('tells what is missing in words', async () => {
    const bare = (value: string) => run(helm, ['template', CHART, '--set', value])
    expect((await bare('mode=standalone')).stderr).toContain('settings.ISALES_URL is required')
    const url = 'settings.ISALES_URL=https://isales.example'
    expect((await bare(url)).stderr).toContain('secret.name is required')
    expect((await bare(`${url},secret.name=s`)).stderr).toContain('tls.secretName is required')
    const twice = `${url},secret.name=s,tls.secretName=t,podMonitor.enabled=true,serviceMonitor.enabled=true`
    expect((await bare(twice)).stderr).toContain('would scrape each proxy twice')
  })

  it('carries the very rules and the very dashboard of config/', async () => {
    for (const [copy, original] of [
      ['alerts.yaml', 'config/prometheus/alerts.yaml'],
      ['isales-auth-proxy.json', 'config/grafana/isales-auth-proxy.json'],
    ] as const) {
      const text = await readFile(join(CHART, 'files', copy), 'utf8')
      expect(text).toBe(await readFile(join(ROOT, original), 'utf8'))
    }
  })

  it('says where it comes from, with an icon that is in the repository', async () => {
    const chart = parse(await readFile(join(CHART, 'Chart.yaml'), 'utf8')) as {
      home: string
      sources: readonly string[]
      icon: string
      annotations: Readonly<Record<string, string>>
      version: string
      appVersion: string
    }
    expect(chart.sources).toEqual([chart.home])
    expect(chart.icon.startsWith(`${chart.home}/raw/main/`)).toBe(true)
    const icon = await readFile(
      join(ROOT, chart.icon.replace(`${chart.home}/raw/main/`, '')),
      'utf8',
    )
    expect(icon).toMatch(/^<svg/)
    expect(Object.keys(chart.annotations)).toContain('artifacthub.io/license')
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
      version: string
    }
    expect([chart.version, chart.appVersion]).toEqual([version, version])
  })

  it('is packed with these files, and without those of its tests', async () => {
    const file = await succeed(helm, ['package', CHART, '--destination', join(ROOT, '.tmp')])
    const packed = file.trim().replace(/^.* /, '')
    const list = (await succeed('tar', ['tzf', packed])).split('\n')
    expect(list).toContain('isales-auth-proxy/files/alerts.yaml')
    expect(list).toContain('isales-auth-proxy/files/isales-auth-proxy.json')
    expect(list.filter((path) => path.includes('/ci/'))).toEqual([])
  })

  it('tells after the installation what to do next', async () => {
    const install = (name: string, ...more: readonly string[]) =>
      succeed(helm, [
        'install',
        'obs',
        CHART,
        '--dry-run=client',
        '--values',
        ciFile(name),
        ...more,
      ])
    const standalone = await install('standalone')
    expect(standalone).toContain('obsUrl = https://isales-proxy.example\n')
    expect(standalone).toContain('check --live')
    expect(standalone).toContain('podMonitor.enabled=true')
    expect(standalone).toContain('helm test')
    expect(standalone).toContain('lets these peers scrape the metrics: [{"namespaceSelector"')
    const none = await install('standalone', '--set-json', 'networkPolicy.prometheus=[]')
    expect(none).toContain('nobody scrape the metrics')
    expect(await install('injection')).toContain('`isales-auth-proxy: inject` in telephony, vendor')
    expect(await install('standalone-everything')).not.toContain('! ')
    expect(await install('sidecar-classic')).toContain('obsUrl = http://127.0.0.1:18080')
  })

  it('has a test that waits until a proxy is ready, and fails when none is', async () => {
    const manifests = await render(helm, ciFile('standalone'))
    const [pod] = ofKind(manifests, 'Pod')
    expect(pod?.metadata.annotations).toMatchObject({ 'helm.sh/hook': 'test' })
    const spec = pod?.spec as IPodSpec
    const [, ...args] = spec.containers[0]?.command ?? []
    expect(args.pop()).toBe('http://obs-isales-auth-proxy-admin:9090/readyz')
    expect(unrestricted(spec, spec.containers[0] as IContainer)).toEqual([])
    // The Service must not send calls to it.
    const [service] = ofKind(manifests, 'Service')
    const sendsTo = service?.spec as { selector: Readonly<Record<string, string>> }
    expect(pod?.metadata.labels).not.toMatchObject(sendsTo.selector)

    let asked = 0
    const proxy = createServer((_request, response) => {
      response.statusCode = (asked += 1) < 2 ? 503 : 200
      response.end('no token')
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const { port } = proxy.address() as AddressInfo
    const outcome = await run(process.execPath, [...args, `http://127.0.0.1:${port}/readyz`])
    proxy.close()
    expect(outcome).toMatchObject({ code: 0, stdout: '503 no token\n' })
    const impatient = args.map((arg) => arg.replace('60_000', '0'))
    const refused = await run(process.execPath, [...impatient, `http://127.0.0.1:${port}/readyz`])
    expect(refused.code).toBe(1)
    expect(refused.stdout).toContain('ECONNREFUSED')
  })
})
