// The sidecar's container as kubelet runs it: the built program, with the volume of the chart.
import { statfsSync } from 'node:fs'
import { expect, it, onTestFinished } from 'vitest'
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
const { LOGIN_REJECTED_ATTEMPTS } = environment(proxyIn(pod))
const ANY = { LISTEN: '127.0.0.1:0', ADMIN_LISTEN: '127.0.0.1:0', LOGIN_REJECTED_ATTEMPTS }

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
