import { readFile } from 'node:fs/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { COMMANDS } from '../../simulator/commands.ts'
import { LOGIN_PATH } from '../../simulator/index.ts'
import { parseInvocation, runSimulator, usage } from '../../simulator/program.ts'
import { SWITCHES } from '../../simulator/switches.ts'
import { until } from '../support/until.ts'

async function start(...args: string[]) {
  const lines: string[] = []
  const invocation = parseInvocation(['--port', '0', '--control-port', '0', ...args])
  const simulator = await runSimulator(invocation, (line) => lines.push(line))
  onTestFinished(() => simulator.close())
  return { simulator, lines }
}

describe('the command line of the simulator', () => {
  it.each<[string[], object]>([
    // The published iSales.
    [[], SWITCHES.parse({})],
    [['--lifetime', '300'], { tokenLifetime: 300 }],
    [['--lifetime=soon'], { tokenLifetime: 'soon' }],
    [['--lifetime="300"'], { tokenLifetime: '300' }],
    [['--password', '123456'], { password: '123456' }],
    [['--rejection', '403'], { rejection: 403 }],
    [['--rejection', 'result'], { rejection: 'result' }],
    [['--token-lives', '2.5'], { tokenLives: 2.5 }],
    [['--token-lives', 'null'], { tokenLives: null }],
    [['--omit', 'refreshToken,resultData'], { omit: ['refreshToken', 'resultData'] }],
    [['--accept-headers', '["authorization"]'], { acceptHeaders: ['authorization'] }],
    [['--rotate', '--no-refresh-header'], { rotate: true, refreshHeader: false }],
    [['--forbidden-path', 'business/tasks'], { forbiddenPath: 'business/tasks' }],
    [['--scheme='], { scheme: '' }],
  ])('%j switches %j', (args, switches) => {
    expect(parseInvocation(args).switches).toMatchObject(switches)
  })

  it.each([
    [['--fast'], "Unknown option '--fast'"],
    [['now'], "Unexpected argument 'now'"],
    [['--port', '65536'], '--port cannot be 65536'],
    [['--control-port', ''], '--control-port cannot be '],
    [['--rejection', '200'], '--rejection cannot be 200'],
    [['--lock-after', 'never'], '--lock-after cannot be never'],
    [['--run', 'tea'], '--run cannot be tea'],
    [['--run', 'failLogin={'], 'the value is missing'],
    [['--run', 'failLogin={"status":99}'], 'status cannot be 99'],
  ])('%j is refused: %s', (args, problem) => {
    expect(() => parseInvocation(args)).toThrow(TypeError)
    expect(() => parseInvocation(args)).toThrow(problem)
  })

  it('has a flag for every switch, with an explanation', () => {
    const flags = usage().match(/^ {2}--/gm)
    expect(flags).toHaveLength(8 + Object.keys(SWITCHES.shape).length)
    expect(usage()).toContain('  --lifetime VALUE\n      tokenExpirationTime as sent')
    expect(usage()).not.toMatch(/^ {6}\s*(\(|$)/m)
  })

  it('is described in docs/dev/simulator.md: every flag and command, and only valid ones', async () => {
    const page = await readFile(new URL('../../docs/dev/simulator.md', import.meta.url), 'utf8')
    const flags = [...usage().matchAll(/^ {2}--(?:\[no-\])?([a-z-]+)/gm)].map(([, flag]) => flag)
    expect(flags.filter((flag) => !page.includes(`--${flag}`))).toEqual([])
    const commands = Object.keys(COMMANDS)
    expect(commands.filter((command) => !page.includes(`\`${command}\``))).toEqual([])
    const shown = [
      ...page.matchAll(/npm run simulator -- ([^\n`#|]+)/g),
      ...page.matchAll(/`(--[a-z-]+[ =][^`]+)`/g),
    ].map(([, args = '']) => args.trim())
    expect(shown).toContain('--lifetime=-5')
    for (const args of shown.filter((line) => !line.includes("'")))
      expect(() => parseInvocation(args.split(/ +/))).not.toThrow()
  })
})

describe('the simulator as a program', () => {
  it('prints a line per request, without secrets', async () => {
    const { simulator, lines } = await start('--password', 'canary-password')
    const login = (passwd: string) =>
      fetch(`${simulator.origin}${LOGIN_PATH}?canary-query`, {
        method: 'POST',
        body: JSON.stringify({ user: 'obs', passwd }),
      })
    await login('canary-wrong')
    await login('canary-password')
    await until(() => lines.length === 5)
    expect(lines.slice(3)).toEqual([
      expect.stringMatching(
        /^[\d:.]{12} {2}POST \/\S+\/auth\/login {2}403 {2}wrong password, \d+ ms$/,
      ),
      expect.stringMatching(
        /^[\d:.]{12} {2}POST \/\S+\/auth\/login {2}200 {2}token granted, \d+ ms$/,
      ),
    ])
    for (const secret of ['canary', ...simulator.issued()])
      expect(lines.join()).not.toContain(secret)
  })
})
