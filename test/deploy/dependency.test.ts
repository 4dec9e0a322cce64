import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDependent, type Dependent } from './support/chart.ts'
import { ofKind } from './support/manifests.ts'
import { configure, deploymentOf, proxyIn } from './support/pod.ts'
import { helms } from './support/tools.ts'
import { BASE } from './support/values.ts'

describe.each(await helms())('the chart as a dependency, with helm $version,', ({ helm }) => {
  let dependent: Dependent
  beforeAll(async () => {
    dependent = await createDependent(helm, { condition: true })
  })
  afterAll(() => dependent.remove())

  it('is switched off and on by the condition, with guarded includes', async () => {
    const off = await dependent.render('sidecar', { enabled: false })
    expect(ofKind(off, 'Deployment')).toHaveLength(1)
    expect(JSON.stringify(off)).not.toContain('isales')
    const on = await dependent.render('sidecar', { enabled: true })
    expect(configure(proxyIn(deploymentOf(on)))).toMatchObject({ ok: true, warnings: [] })
    const [deployment] = ofKind(on, 'Deployment')
    expect(deployment?.spec).toMatchObject({
      template: { metadata: { labels: { 'isales-auth-proxy/release': 'obs' } } },
    })
  })

  it('names the whole path of a value that is missing', async () => {
    const missing = async (values: object) => (await dependent.attempt(values)).stderr
    expect(await missing({})).toContain('isales-auth-proxy.settings.ISALES_URL is required')
    expect(await missing({ settings: BASE.settings })).toContain(
      'isales-auth-proxy.secret.name is required',
    )
  })

  it('wants the native sidecar switched off before Kubernetes 1.29', async () => {
    const old = ['--kube-version', '1.28.9']
    const { secret, settings } = BASE
    const refusal = await dependent.attempt({ secret, settings }, ...old)
    expect(refusal.stderr).toContain(
      'isales-auth-proxy.sidecar.native needs Kubernetes 1.29, and this is v1.28.9',
    )
    const classic = { secret, settings, sidecar: { native: false } }
    expect(await dependent.attempt(classic, ...old)).toMatchObject({ code: 0 })
  })

  it('says what to pass when its templates get the wrong scope', async () => {
    const aliased = await createDependent(helm, { alias: 'proxy', scope: '.' })
    const { secret, settings } = BASE
    const { stderr } = await aliased.attempt({ secret, settings })
    await aliased.remove()
    expect(stderr).toContain('pass the scope of the chart')
  })

  it('leaves readiness to the containers of CTI-OBS, when told so', async () => {
    const pod = deploymentOf(await dependent.render('sidecar', { sidecar: { readiness: false } }))
    expect(proxyIn(pod)).not.toHaveProperty('readinessProbe')
    expect(proxyIn(pod)).toHaveProperty('livenessProbe')
    expect(proxyIn(pod)).toHaveProperty('startupProbe')
  })
})
