import { spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { accountOf, openIsales } from '../cli/stand.ts'
import { builtProgram } from '../cli/program.ts'
import { call } from '../support/call.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { until } from '../support/until.ts'
import { INTERFACE_PATHS } from '../../simulator/index.ts'

const start = builtProgram()

test('a disk whose fsync stalls fails no call, is reported, and has the record when it continues', async (context) => {
  const directory = temporaryDirectory()
  const library = join(directory, 'stall.so')
  const stalling = join(directory, 'stalling')
  const source = join(directory, 'stall.c')
  writeFileSync(source, STALL)
  if (spawnSync('gcc', ['-shared', '-fPIC', '-o', library, source]).status !== 0)
    return context.skip('a disk that stalls needs gcc')
  writeFileSync(stalling, '')
  const { sim } = await openIsales({ switches: { tokenLifetime: 2 } })
  const state = temporaryDirectory()
  const env = {
    ...accountOf(sim),
    LISTEN: '127.0.0.1:0',
    ADMIN_LISTEN: '127.0.0.1:0',
    ISALES_REFRESH_PATH: 'off',
    STATE_DIR: state,
    LD_PRELOAD: library,
    STALLING: stalling,
  }
  const program = start([], env)
  const { proxy, admin } = await program.addresses()
  const statuses: number[] = []
  while (sim.state().logins < 3) {
    const calling = { method: 'POST', body: '{"subCCNo":1,"vdnId":1}' }
    statuses.push((await call(`${proxy}${INTERFACE_PATHS.getTask}`, calling)).status)
    await delay(100)
  }
  expect(statuses.filter((status) => status !== 200)).toEqual([])
  const line = program
    .lines()
    .find(({ event, finding }) => event === 'finding-began' && finding === 'state')
  expect(line).toMatchObject({ cause: 'disk-slow', msg: expect.stringContaining('is too slow') })
  expect((await call(`${admin}/status.json`)).text).toContain('STATE_DIR is unusable')
  const { text } = await call(`${admin}/metrics`)
  expect(text).toContain('isales_proxy_state_failures_total 1')
  const check = start(['check', '--live', '--quiet'], env)
  await until(() => check.stderr().includes('Check the disk'), 10_000)
  expect(check.stderr()).toContain('The disk of STATE_DIR is too slow')
  spawnSync('rm', [stalling])
  expect((await check.ended).code).toBe(0)
  expect(readdirSync(state).filter((name) => name.endsWith('.json'))).not.toEqual([])
  await until(
    async () => !(await call(`${admin}/status.json`)).text.includes('STATE_DIR is unusable'),
  )
}, 60_000)

/** Makes fsync wait while the file of STALLING exists. */
const STALL = `
#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>
int fsync(int fd) {
  const char *stalling = getenv("STALLING");
  while (stalling != NULL && access(stalling, F_OK) == 0) usleep(20000);
  return syscall(SYS_fsync, fd);
}
`
