import { chmod, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { parse } from 'yaml'
import { createSimulator, ECHO_PATH, LOGIN_PATH, type Simulator } from '../../simulator/index.ts'
import { call } from '../support/call.ts'
import { until } from '../support/until.ts'
import { freePort } from '../support/free-port.ts'
import { createContainers, type Containers } from './support/containers.ts'
import { listening } from './support/daemon.ts'
import { ROOT, succeed } from './support/run.ts'
import { installed } from './support/tools.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const IMAGE = 'isales-auth-proxy:test'
const SIMULATOR = 'isales-simulator:test'
const NAME = 'proxy'
const TASKS = LOGIN_PATH.replace('auth/login', 'business/tasks')
const KIB = 1024
const programs = await Promise.all(['buildah', 'podman', 'runc'].map(installed))

interface ImageConfig {
  readonly User: string
  readonly Entrypoint: readonly string[]
  readonly Env: readonly string[]
  readonly StopSignal: string
  readonly Labels: Readonly<Record<string, string>>
}

describe.skipIf(programs.includes(undefined))('the image', () => {
  let containers: Containers
  let simulator: Simulator
  let home = ''
  let proxy = ''
  let admin = ''

  beforeAll(async () => {
    containers = await createContainers()
    await containers.build(IMAGE, '--build-arg=VERSION=1.2.3', '--build-arg=REVISION=abcdef')
    await containers.build(SIMULATOR, '--target=simulator')
    simulator = await createSimulator()
    home = temporaryDirectory()
    await writeFile(join(home, 'user'), 'obs')
    await writeFile(join(home, 'password'), 'simulated-password')
    await chmod(home, 0o755) // for user 65532
  })
  afterAll(async () => {
    await containers?.remove()
    await simulator?.close()
    if (home !== '') await rm(home, { recursive: true })
  })

  const inspect = async (format: string): Promise<string> =>
    (await containers.podman('inspect', NAME, '--format', format)).trim()
  const logs = () => containers.podman('logs', NAME)
  const inside = (...args: readonly string[]) =>
    containers.attempt('exec', NAME, '/nodejs/bin/node', '/app/main.js', ...args)
  const ask = (body: string) =>
    call(proxy + TASKS, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  const page = async (): Promise<string> => (await fetch(`${admin}/metrics`)).text()

  it('runs as nobody, says what it is, and holds no secret', async () => {
    const json = await containers.podman('inspect', IMAGE, '--format', '{{json .Config}}')
    const config = JSON.parse(json) as ImageConfig
    const { home: source } = parse(
      await readFile(`${ROOT}helm/isales-auth-proxy/Chart.yaml`, 'utf8'),
    ) as { home: string }
    expect(config).toMatchObject({
      User: '65532:65532',
      StopSignal: 'SIGTERM',
      Labels: {
        'org.opencontainers.image.title': 'isales-auth-proxy',
        'org.opencontainers.image.version': '1.2.3',
        'org.opencontainers.image.revision': 'abcdef',
        'org.opencontainers.image.licenses': 'MIT',
        'org.opencontainers.image.source': source,
        'org.opencontainers.image.base.name': expect.stringContaining('distroless'),
      },
    })
    expect(config.Env.filter((one) => /ISALES|OBS|PASSWORD|TOKEN/.test(one))).toEqual([])
  })

  it('gives Node no option, which another Node than its own might not know', async () => {
    const json = await containers.podman('inspect', IMAGE, '--format', '{{json .Config}}')
    const { Entrypoint, Env } = JSON.parse(json) as ImageConfig
    expect(Entrypoint).toEqual(['/nodejs/bin/node', '/app/main.js'])
    expect(Env.filter((one) => one.startsWith('NODE_OPTIONS'))).toEqual([])
  })

  it('holds the bundle and nothing else of the project, and no shell', async () => {
    await containers.podman('create', '--name=contents', IMAGE)
    const file = join(home, 'contents.tar')
    await containers.podman('export', 'contents', '--output', file)
    await containers.podman('rm', 'contents')
    const paths = (await succeed('tar', ['tf', file])).split('\n')
    await rm(file)
    const app = paths.filter((path) => /^app\/./.test(path)).map((path) => path.slice(4))
    expect(app).toContain('main.js')
    expect(app).toContain('THIRD-PARTY-NOTICES.txt')
    expect(
      app.filter(
        (path) => !/^[-\w]+\.js$|^package\.json$|^LICENSE$|^THIRD-PARTY-NOTICES\.txt$/.test(path),
      ),
    ).toEqual([])
    expect(paths.filter((path) => /(^|\/)(sh|bash|busybox|npm|node_modules)$/.test(path))).toEqual(
      [],
    )
  })

  it('starts hardened, in 192 MiB, and is healthy', async () => {
    const adminPort = await freePort()
    const environment = {
      ISALES_URL: simulator.origin,
      ISALES_USER_FILE: '/run/isales/user',
      ISALES_PASSWORD_FILE: '/run/isales/password',
      LISTEN: '127.0.0.1:0',
      ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
      MAX_IN_FLIGHT: '256', // as the chart says
    }
    await containers.podman(
      'run',
      '--detach',
      `--name=${NAME}`,
      '--pull=never',
      '--network=host',
      '--read-only',
      '--read-only-tmpfs=false',
      '--cap-drop=ALL',
      '--security-opt=no-new-privileges',
      '--ulimit=core=0',
      '--memory=192m',
      '--memory-swap=192m',
      `--volume=${home}:/run/isales:ro`,
      ...Object.entries(environment).map(([name, value]) => `--env=${name}=${value}`),
      IMAGE,
    )
    const found = await until(async () => listening('proxy').exec(await logs()), 10_000)
    proxy = found[1] ?? ''
    admin = `http://127.0.0.1:${adminPort}`
    await until(async () => (await fetch(`${admin}/readyz`)).ok, 10_000)
    expect(await containers.attempt('healthcheck', 'run', NAME)).toMatchObject({ code: 0 })
    expect(await inside('wait')).toMatchObject({ code: 0 })
  })

  it('has no right that it could lose', async () => {
    const process = `/proc/${await inspect('{{.State.Pid}}')}`
    const status = await readFile(`${process}/status`, 'utf8')
    expect(await readFile(`${process}/limits`, 'utf8')).toMatch(/^Max core file size +0 +0 /m)
    expect(status).toMatch(/^Uid:\t65532\t65532\t65532\t65532$/m)
    expect(status).toMatch(/^CapEff:\t0+$/m)
    expect(status).toMatch(/^CapBnd:\t0+$/m)
    expect(status).toMatch(/^NoNewPrivs:\t1$/m)
    expect(status).toMatch(/^Seccomp:\t2$/m)
    const write = ['-e', 'require("fs").writeFileSync(process.argv[1], "")', '/app/x']
    const outcome = await containers.attempt('exec', NAME, '/nodejs/bin/node', ...write)
    expect(outcome.stderr).toContain('EROFS')
  })

  it('logs in, forwards a call, counts it, and tells the same in words', async () => {
    const response = await ask('{"subCCNo":1,"vdnId":1}')
    expect(response.status).toBe(200)
    expect(response.json.resultData).toHaveProperty('taskData')
    expect(await page()).toMatch(
      /^isales_proxy_requests_total\{method="POST",status_class="2xx"\} 1$/m,
    )
    const live = await inside('check', '--live')
    expect(live.stdout).toContain('it works')
    expect(live.code).toBe(0)
  })

  it('does not open the inspector for SIGUSR1', async () => {
    process.kill(Number(await inspect('{{.State.Pid}}')), 'SIGUSR1')
    await delay(300)
    expect((await ask('{"subCCNo":1,"vdnId":1}')).status).toBe(200)
    expect(await logs()).not.toContain('Debugger')
  })

  it('outlives 1,000 requests at once in 192 MiB, each with a response', async () => {
    simulator.set({ latency: 1000 })
    const body = JSON.stringify({ subCCNo: 1, vdnId: 1, pad: 'x'.repeat(64 * KIB - 100) })
    for (let round = 0; round < 3; round += 1) {
      const responses = await Promise.all(Array.from({ length: 1000 }, () => ask(body)))
      const served = responses.filter((response) => response.status === 200)
      const refused = responses.filter((response) => response.status === 503)
      expect(served.length).toBeGreaterThan(200)
      expect(served.length + refused.length).toBe(1000)
      expect(new Set(refused.map((response) => response.json.code))).toEqual(
        new Set(['overloaded']),
      )
    }
    simulator.set({ latency: 0 })
    expect(await inspect('{{.State.Status}} {{.State.OOMKilled}}')).toBe('running false')
    const status = await readFile(`/proc/${await inspect('{{.State.Pid}}')}/status`, 'utf8')
    process.stdout.write(`after it: ${status.match(/(VmHWM|RssAnon):\s+\d+ kB/g)?.join(', ')}\n`)
  })

  it('outlives 1,024 clients that do not read their responses of 3 MB, and serves others meanwhile', async () => {
    const refusals = async (): Promise<number> =>
      Number(/refused_total\{reason="in-flight"\} (\d+)/.exec(await page())?.[1])
    const before = await refusals()
    const port = Number(new URL(proxy).port)
    const request = `GET ${ECHO_PATH}?bytes=3000000 HTTP/1.1\r\nHost: localhost\r\n\r\n`
    const slow = Array.from({ length: 1024 }, () => {
      const socket = connect({ port, host: '127.0.0.1' }).on('error', () => undefined)
      socket.pause().write(request)
      return socket
    })
    onTestFinished(() => slow.forEach((socket) => socket.destroy()))
    // All of MAX_IN_FLIGHT was taken.
    await until(async () => (await refusals()) > before, 10_000)
    await until(async () => (await ask('{}')).status === 200, 10_000)
    expect(await inspect('{{.State.Status}} {{.State.OOMKilled}}')).toBe('running false')
    const status = await readFile(`/proc/${await inspect('{{.State.Pid}}')}/status`, 'utf8')
    process.stdout.write(`after it: ${status.match(/(VmHWM|RssAnon):\s+\d+ kB/g)?.join(', ')}\n`)
  })

  it('ends with 0 on SIGTERM', async () => {
    await containers.podman('stop', '--time=20', NAME)
    expect(await inspect('{{.State.ExitCode}} {{.State.OOMKilled}}')).toBe('0 false')
    expect(await logs()).toContain('"event":"stopped"')
    expect(await logs()).not.toContain('simulated-password')
  })
  it('has a second one beside it, a simulated iSales that hands out tokens', async () => {
    const [port, control] = [await freePort(), await freePort()]
    const flags = [`--port=${port}`, `--control-port=${control}`]
    await containers.podman(
      'run',
      '--detach',
      '--name=simulator',
      '--pull=never',
      '--network=host',
      '--read-only',
      '--cap-drop=ALL',
      SIMULATOR,
      ...flags,
    )
    const login = `http://127.0.0.1:${port}${LOGIN_PATH}`
    const { user, password: passwd } = simulator.switches
    const response = await until(
      () =>
        call(login, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ user, passwd }),
        }).catch(() => undefined),
      10_000,
    )
    expect(response.status).toBe(200)
    expect(response.json.resultData).toHaveProperty('token')
    await containers.podman('stop', '--time=10', 'simulator')
    const code = await containers.podman('inspect', 'simulator', '--format', '{{.State.ExitCode}}')
    expect(code.trim()).toBe('0')
  })
})
