// The sidecar's container as kubelet runs it: the built program, with the probe and the volume of the chart.
import { statfsSync } from 'node:fs'
import { setInterval, setTimeout as delay } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import { ECHO_PATH } from '../../simulator/index.ts'
import { builtProgram } from '../cli/program.ts'
import { openIsales } from '../cli/stand.ts'
import { call } from '../support/call.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { until } from '../support/until.ts'
import { renderSidecar } from './support/chart.ts'
import { environment, podOf, proxyIn } from './support/pod.ts'
import { succeed } from './support/run.ts'

const start = builtProgram()
const pod = podOf(await renderSidecar())
const { livenessProbe: probe = {} } = proxyIn(pod)
const { LOGIN_REJECTED_ATTEMPTS } = environment(proxyIn(pod))
const ANY = { LISTEN: '127.0.0.1:0', ADMIN_LISTEN: '127.0.0.1:0', LOGIN_REJECTED_ATTEMPTS }

it('a sidecar that freezes just after a probe is killed after 10 s, and its successor answers calls', async () => {
  const { env } = await openIsales()
  const frozen = start([], { ...env, ...ANY })
  const { admin } = await frozen.addresses()
  frozen.process.kill('SIGSTOP')
  const since = performance.now()
  let failures = 0
  // Like kubelet's, this timer keeps a tick that is due during a probe.
  for await (const failure of setInterval((probe.periodSeconds ?? 0) * 1000, 1)) {
    const signal = AbortSignal.timeout((probe.timeoutSeconds ?? 0) * 1000)
    await expect(fetch(`${admin}/livez`, { signal })).rejects.toThrow('timeout')
    if ((failures += failure) === probe.failureThreshold) break
  }
  frozen.process.kill('SIGTERM')
  // minimumGracePeriodInSeconds of kubelet (pkg/kubelet/kuberuntime).
  await delay(Math.max(2, probe.terminationGracePeriodSeconds ?? 0) * 1000)
  frozen.process.kill('SIGKILL')
  await frozen.ended
  expect(performance.now() - since).toBeLessThan(10_500)
  const { proxy } = await start([], { ...env, ...ANY }).addresses()
  expect((await call(proxy + ECHO_PATH)).status).toBe(200)
})

it.skipIf(process.getuid?.() !== 0)(
  'the count of rejected logins survives SIGKILL and restart of the container, in less than 64 KiB of memory',
  async () => {
    const volume = temporaryDirectory()
    const { emptyDir } = pod.volumes?.find(({ name }) => name === 'isales-state') ?? {}
    expect(emptyDir).toEqual({ medium: 'Memory', sizeLimit: '1Mi' })
    await succeed('mount', ['-t', 'tmpfs', '-o', 'size=1048576', 'tmpfs', volume])
    onTestFinished(async () => void (await succeed('umount', [volume])))
    const { sim, env } = await openIsales()
    const wrong = { ...env, ...ANY, ISALES_PASSWORD: 'wrong', STATE_DIR: `${volume}/proxy` }
    for (let restarts = 0; restarts < 4; restarts += 1) {
      const container = start([], wrong)
      const { admin } = await container.addresses()
      const status = () => call(`${admin}/status.json`)
      await until(async () => (await status()).text.includes('"login-pause"'))
      container.process.kill('SIGKILL')
      await container.ended
      expect(sim.state().loginAttempts).toBe(1)
    }
    const { blocks, bfree, bsize } = statfsSync(volume)
    expect((blocks - bfree) * bsize).toBeLessThan(64 * 1024)
  },
)
