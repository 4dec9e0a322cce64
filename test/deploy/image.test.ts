// Guarantee 6, as memory: the kernel kills the program above the container's memory. Each attacker is a process of its own.
import { chmod, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { parse } from 'yaml'
import { createSimulator, ECHO_PATH, INTERFACE_PATHS, LOGIN_PATH } from '../../simulator/index.ts'
import type { Simulator } from '../../simulator/index.ts'
import { blocksOf } from '../docs/pages.ts'
import { attack } from '../support/attack.ts'
import { makeCertificates } from '../support/certificates.ts'
import { connectRaw, requestText } from '../support/raw-client.ts'
import { listen } from '../support/tcp-server.ts'
import { until } from '../support/until.ts'
import { clientOf } from '../support/world.ts'
import { freePort } from '../support/free-port.ts'
import { createContainers, type Containers } from './support/containers.ts'
import { listening } from './support/daemon.ts'
import { ROOT, succeed } from './support/run.ts'
import { lacks } from './support/tools.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const IMAGE = 'isales-auth-proxy:test'
const SIMULATOR = 'isales-simulator:test'
const NAME = 'isales-auth-proxy'
const KIB = 1024

describe.skipIf(await lacks('buildah', 'podman', 'runc'))('the image', () => {
  let containers: Containers
  let simulator: Simulator
  let world: Awaited<ReturnType<typeof start>>
  const { ca, server, client } = makeCertificates()
  const home = temporaryDirectory()

  beforeAll(async () => {
    containers = await createContainers()
    await containers.build(IMAGE, '--build-arg=VERSION=1.2.3', '--build-arg=REVISION=abcdef')
    await containers.build(SIMULATOR, '--target=simulator')
    simulator = await createSimulator()
    const files = { user: 'obs', password: 'simulated-password' }
    const pem = { 'ca.pem': ca.cert, 'cert.pem': server.cert, 'key.pem': server.key }
    for (const [name, text] of Object.entries({ ...files, ...pem }))
      await writeFile(join(home, name), text)
    await chmod(home, 0o755) // for user 65532
  })
  afterAll(async () => {
    await containers?.remove()
    await simulator?.close()
  })

  /** Runs the shell block of a page that runs the image and contains `part`. Addresses, ports, the image and `more` are replaced. */
  const runBlock = async (
    [page, part]: readonly [string, string],
    adminPort: number,
    more: Readonly<Record<string, string>> = {},
    typed = '',
  ) => {
    const isWanted = (text: string) => text.includes('docker run ') && text.includes(part)
    const block = blocksOf(page).find(isWanted) ?? ''
    const script = Object.entries({
      ...more,
      'docker run ': 'podman run --replace --pull=never --env=LISTEN=127.0.0.1:0 ',
      'docker ': 'podman ',
      '/etc/isales:': `${home}:`,
      'https://isales.example': simulator.origin,
      'https://service.besclouds.com': simulator.origin,
      'ISALES_USER=obs01': `ISALES_USER=obs --env ADMIN_LISTEN=127.0.0.1:${adminPort}`,
      'ADMIN_LISTEN=127.0.0.1:9090': `ADMIN_LISTEN=127.0.0.1:${adminPort}`,
      'ghcr.io/isales-auth-proxy/isales-auth-proxy:0.1.0': IMAGE,
      ' isales-auth-proxy:0.1.0': ` ${IMAGE}`,
    }).reduce((all, [from, to]) => all.replaceAll(from, to), block)
    await containers.bash(`set -euo pipefail\n${script}`, typed)
  }
  const inspect = async (format: string, name = NAME): Promise<string> =>
    (await containers.podman('inspect', name, '--format', format)).trim()
  const logs = () => containers.podman('logs', NAME)
  const inside = (...args: readonly string[]) =>
    containers.attempt('exec', NAME, '/nodejs/bin/node', '/app/main.js', ...args)
  /** Runs the hardened container of docs/docker.md with changes of its command. Returns requests to it when it is ready. */
  const start = async (memory: string, more: Readonly<Record<string, string>> = {}) => {
    const adminPort = await freePort()
    const limit = `--memory ${memory} --memory-swap=${memory} --read-only-tmpfs=false`
    const changes = { '--memory 192m': limit, ...more }
    await runBlock(['docs/docker.md', '--read-only'], adminPort, changes)
    const [, proxy = ''] = await until(async () => listening('proxy').exec(await logs()), 10_000)
    const admin = `http://127.0.0.1:${adminPort}`
    return { ...clientOf({ proxy, admin }), admin, port: Number(new URL(proxy).port) }
  }
  const ask = (pad = '') => world.post(INTERFACE_PATHS.getTask, { subCCNo: 1, vdnId: 1, pad })
  const state = () => inspect('{{.State.Status}} {{.State.OOMKilled}}')
  const ofProcess = async (file: string): Promise<string> =>
    readFile(`/proc/${await inspect('{{.State.Pid}}')}/${file}`, 'utf8')

  it('runs as nobody, says what it is, holds no secret, and gives Node no option', async () => {
    const chart = await readFile(`${ROOT}helm/isales-auth-proxy/Chart.yaml`, 'utf8')
    const config = JSON.parse(await inspect('{{json .Config}}', IMAGE)) as { Env: string[] }
    expect(config).toMatchObject({
      User: '65532:65532',
      // Another Node than its own might not know an option.
      Entrypoint: ['/nodejs/bin/node', '/app/main.js'],
      StopSignal: 'SIGTERM',
      Labels: {
        'org.opencontainers.image.title': 'isales-auth-proxy',
        'org.opencontainers.image.version': '1.2.3',
        'org.opencontainers.image.revision': 'abcdef',
        'org.opencontainers.image.licenses': 'MIT',
        'org.opencontainers.image.source': (parse(chart) as { home: string }).home,
        'org.opencontainers.image.base.name': expect.stringContaining('distroless'),
      },
    })
    expect(config.Env.join()).not.toMatch(/ISALES|OBS|PASSWORD|TOKEN|NODE_OPTIONS/)
  })

  it('holds the bundle and nothing else of the project, and no shell', async () => {
    const file = join(home, 'contents.tar')
    await containers.podman('create', '--name=contents', IMAGE)
    await containers.podman('export', 'contents', '--output', file)
    await containers.podman('rm', 'contents')
    const paths = (await succeed('tar', ['tf', file])).split('\n')
    await rm(file)
    const app = paths.filter((path) => /^app\/./.test(path)).map((path) => path.slice(4))
    const expected =
      /^(?:[-\w]+\.js|package\.json|LICENSE|THIRD-PARTY-NOTICES\.txt|docs\/(?:[-\w.]+\.md)?)$/
    const wanted = ['main.js', 'THIRD-PARTY-NOTICES.txt', 'docs/operations.zh-CN.md']
    expect(app).toEqual(expect.arrayContaining(wanted))
    expect(app.filter((path) => !expected.test(path))).toEqual([])
    const tools = /(^|\/)(sh|bash|busybox|npm|node_modules)$/
    expect(paths.filter((path) => tools.test(path))).toEqual([])
  })

  it('starts hardened, in 192 MiB, and is healthy', async () => {
    world = await start('192m')
    expect((await fetch(`${world.admin}/readyz`)).ok).toBe(true)
    expect(await containers.attempt('healthcheck', 'run', NAME)).toMatchObject({ code: 0 })
    expect(await inside('status', '--wait', '10s')).toMatchObject({ code: 0 })
  })

  it('has no unneeded privilege', async () => {
    expect(await ofProcess('limits')).toMatch(/^Max core file size +0 +0 /m)
    const status = await ofProcess('status')
    expect(status).toMatch(/^Uid:\t65532\t65532\t65532\t65532$/m)
    expect(status).toMatch(/^CapEff:\t0+$/m)
    expect(status).toMatch(/^CapBnd:\t0+$/m)
    expect(status).toMatch(/^NoNewPrivs:\t1$/m)
    expect(status).toMatch(/^Seccomp:\t2$/m)
    const write = ['-e', 'require("fs").writeFileSync(process.argv[1], "")', '/app/x']
    const outcome = await containers.attempt('exec', NAME, '/nodejs/bin/node', ...write)
    expect(outcome.stderr).toContain('EROFS')
  })

  it('logs in, forwards a call, counts it, and passes check --live', async () => {
    const response = await ask()
    expect(response.status).toBe(200)
    expect(response.json.resultData).toHaveProperty('taskData')
    const answered = 'isales_proxy_requests_total{outcome="answered",cause="answered"}'
    expect(await world.metric(answered)).toBe(1)
    const works: unknown = expect.stringContaining('It works.')
    const live = await inside('check', '--live')
    expect(live).toMatchObject({ code: 0, stdout: '', stderr: works })
  })

  it('survives 1,000 requests at once in 192 MiB, and answers each', async () => {
    simulator.set({ latency: 1000 })
    const pad = 'x'.repeat(64 * KIB - 100)
    for (let round = 0; round < 2; round += 1) {
      const responses = await Promise.all(Array.from({ length: 1000 }, () => ask(pad)))
      const refused = responses.filter(({ status }) => status !== 200)
      expect(responses.length - refused.length).toBeGreaterThan(200)
      for (const { status, json } of refused)
        expect([status, json.code]).toEqual([503, 'overloaded'])
    }
    simulator.set({ latency: 0 })
    expect(await state()).toBe('running false')
  })

  it('survives 1,024 clients that do not read responses of 3 MB, and answers others meanwhile', async () => {
    const refusals = () => world.metric('isales_proxy_requests_total{cause="overloaded"}')
    const before = await refusals()
    const request = `GET ${ECHO_PATH}?bytes=3000000 HTTP/1.1\r\nHost: localhost\r\n\r\n`
    const slow = Array.from({ length: 1024 }, () => {
      const socket = connect({ port: world.port, host: '127.0.0.1' }).on('error', () => undefined)
      socket.pause().write(request)
      return socket
    })
    onTestFinished(() => slow.forEach((socket) => socket.destroy()))
    // All of MAX_IN_FLIGHT was taken.
    await until(async () => (await refusals()) > before, 30_000)
    // The kernel first buffers some 700 MB: 5 s on an idle machine, and 10 s on a busy one.
    await until(async () => (await ask()).status === 200, 30_000)
    // Slots become free when clients that do not read are closed, not at the end of their responses.
    const inFlight = () => world.metric('isales_proxy_requests_in_flight')
    await until(async () => (await inFlight()) === 0, 30_000)
    expect(await state()).toBe('running false')
  })

  it('survives 250 responses with 16,000 headers in 192 MiB, and responds to probes within 1 s', async () => {
    await simulator.down()
    onTestFinished(() => simulator.up())
    const flood = `HTTP/1.1 200 OK\r\n${'a:\r\n'.repeat(16_000)}\r\n`
    const port = Number(new URL(simulator.origin).port)
    await listen((socket) => void socket.on('data', () => socket.write(flood)), port)
    const calls = Promise.all(Array.from({ length: 250 }, () => ask()))
    const took: number[] = []
    for (let n = 0; n < 10; n += 1) {
      const startedAt = performance.now()
      expect((await fetch(`${world.admin}/livez`)).ok).toBe(true)
      took.push(performance.now() - startedAt)
    }
    expect(Math.max(...took)).toBeLessThan(1000)
    for (const { status, json } of await calls)
      expect([status, json.code]).toEqual([502, 'upstream-broken'])
    expect(await state()).toBe('running false')
  })

  it('ends with 0 on SIGTERM', async () => {
    await containers.podman('stop', '--time=20', NAME)
    expect(await inspect('{{.State.ExitCode}} {{.State.OOMKilled}}')).toBe('0 false')
    expect(await logs()).toContain('"event":"stopped"')
    expect(await logs()).not.toContain('simulated-password')
  })

  it('holds 1,000 half-sent client certificates in 192 MiB, and half of the other clients connect within 2 s', async () => {
    const names = { TLS_CERT: 'cert', TLS_KEY: 'key', CLIENT_CA: 'ca' }
    const given = Object.entries(names).map(
      ([name, file]) => `--env=LISTEN_${name}_FILE=/run/isales/${file}.pem`,
    )
    const { port, metric } = await start('192m', { '--env MAX_IN_FLIGHT=256': given.join(' ') })
    const tls = { ca: ca.cert, cert: client.cert, key: client.key }
    const stop = await attack('half-certificate', port, 1000)
    const took: number[] = []
    for (let n = 0; n < 7; n += 1) {
      await delay(200)
      const startedAt = performance.now()
      const another = await connectRaw({ port, tls })
      took.push(performance.now() - startedAt)
      const line = `POST ${INTERFACE_PATHS.getTask} HTTP/1.1`
      await another.send(requestText(line, ['Host: localhost'], '{}'))
      expect((await another.read()).status).toBe(200)
    }
    stop()
    expect(took.toSorted((one, other) => one - other)[3]).toBeLessThan(2000)
    const cut = await metric('isales_proxy_requests_total{outcome="stray",cause="overloaded"}')
    expect(cut).toBeGreaterThan(1000)
    expect(await state()).toBe('running false')
  })

  it.each([
    ['by default', { '--env MAX_IN_FLIGHT=256': '' }],
    ['of 256', {}],
  ])(
    'holds 1,000 slow calls with heads sent ahead in 220 MiB, with MAX_IN_FLIGHT %s',
    async (_, changes) => {
      const { port, tasks, metric } = await start('220m', changes)
      simulator.set({ latency: 2500 })
      const stop = await attack('heads-ahead', port, 1000)
      await delay(10_000)
      const refused = () => metric('isales_proxy_requests_total{cause="pipelined"}')
      await until(async () => (await refused()) > 1000, 30_000)
      stop()
      simulator.set({ latency: 0 })
      await until(async () => (await tasks()).status === 200)
      expect(await state()).toBe('running false')
    },
  )

  it('spends four logins at most on a wrong password, however often it is started as docs/docker.md says', async () => {
    const before = simulator.state().loginAttempts
    const pages = ['docs/docker.md', 'docs/docker.zh-CN.md']
    for (const page of [...pages, ...pages, ...pages.slice(1)]) {
      await runBlock([page, 'read -rsp'], 0, {}, 'wrong\n')
      await until(async () => listening('proxy').test(await logs()), 10_000)
      // The first login follows once its attempt is written.
      await until(() => simulator.state().loginAttempts > before, 10_000)
      await containers.podman('stop', '--time=5', NAME)
    }
    expect(await inspect('{{.HostConfig.RestartPolicy.Name}}')).toBe('unless-stopped')
    expect(await inspect('{{.Config.Cmd}} {{.Args}}')).not.toContain('wrong')
    const attempts = simulator.state().loginAttempts - before
    expect(attempts).toBeGreaterThan(0)
    expect(attempts).toBeLessThanOrEqual(4)
  })

  it('has a second image, a simulated iSales that grants tokens', async () => {
    const [port, control] = [await freePort(), await freePort()]
    const flags = [`--port=${port}`, `--control-port=${control}`]
    const hardened = ['--network=host', '--read-only', '--cap-drop=ALL', '--name=simulator']
    await containers.podman('run', '--detach', '--pull=never', ...hardened, SIMULATOR, ...flags)
    const { user, password: passwd } = simulator.switches
    const proxy = `http://127.0.0.1:${port}`
    const login = () => clientOf({ proxy, admin: '' }).post(LOGIN_PATH, { user, passwd })
    const response = await until(() => login().catch(() => undefined), 10_000)
    expect(response.status).toBe(200)
    expect(response.json.resultData).toHaveProperty('token')
    await containers.podman('stop', '--time=10', 'simulator')
    expect(await inspect('{{.State.ExitCode}}', 'simulator')).toBe('0')
  })
})
