import { describe, expect, it } from 'vitest'
import { EXIT } from '../../src/cli/io.ts'
import { sectionOf } from '../../src/words/index.ts'
import { COMMANDS } from '../../src/cli/run.ts'
import { runHere } from './stand.ts'

describe('help', () => {
  it.each([[['help']], [['--help']], [['-h']]])(
    '%j lists every command and exit code',
    async (argv) => {
      const { code, stdout, stderr } = await runHere(argv)
      expect([code, stderr]).toEqual([0, ''])
      for (const name of [...Object.keys(COMMANDS), 'help CODE', 'version'])
        expect(stdout).toMatch(new RegExp(`^  ${name} +.*[A-Z]`, 'm'))
      for (const exit of Object.values(EXIT))
        expect(stdout).toMatch(new RegExp(`^  ${exit} .*[a-z]`, 'm'))
    },
  )

  it.each(Object.entries(COMMANDS))('explains %s and its flags', async (name, { flags }) => {
    const asked = await runHere(['help', name])
    expect(asked.code).toBe(0)
    expect(asked.stdout).toContain(`Usage: isales-auth-proxy ${name}`)
    for (const flag of Object.keys(flags)) expect(asked.stdout).toContain(`--${flag}`)
    expect(await runHere([name, '--help'])).toEqual(asked)
    expect(await runHere([name, '--nonsense', '-h'])).toEqual(asked)
  })

  it('explains a code, as docs/ does', async () => {
    const { code, stdout } = await runHere(['help', 'connection-refused'])
    const { title, todo } = sectionOf('en', 'connection-refused')
    expect([code, stdout.replaceAll(/\s+/g, ' ').trim()]).toEqual([
      0,
      `connection-refused ${title}. ${todo}`,
    ])
    const alert = await runHere(['help', 'isalesproxydown'])
    expect(alert.code).toBe(2)
    const chinese = await runHere(['help', 'IsalesProxyCallsFailing'], {
      env: { LANG: 'zh_CN.UTF-8' },
    })
    expect(chinese.stdout).toContain('调用失败。')
  })

  it('names the required settings, and where all are', async () => {
    const { stdout } = await runHere(['--help'])
    for (const name of ['ISALES_URL', 'ISALES_USER', 'ISALES_PASSWORD'])
      expect(stdout).toContain(name)
    expect(stdout).toContain('docs/configuration.md')
  })
})

describe('version', () => {
  it.each(['version', '--version', '-v'])('%s prints it', async (word) => {
    expect(await runHere([word])).toEqual({ code: 0, stdout: `${BUILD_VERSION}\n`, stderr: '' })
  })
})

describe('a wrong command line', () => {
  it.each([
    [['chekc'], 'unknown-command', 'Found: "chekc"; Probably meant: check'],
    [['sevre'], 'unknown-command', 'Probably meant: serve'],
    [['constructor'], 'unknown-command', 'Found: "constructor"'],
    [['help', 'stauts'], 'unknown-code', 'Probably meant: status'],
    [['help', 'LISTEN'], 'unknown-code', 'Found: "LISTEN"'],
    [['--helpp'], 'unknown-flag', 'Found: "--helpp"; Probably meant: --help'],
    [['check', '--lvie'], 'unknown-flag', 'Probably meant: --live'],
    [['check', '--live', 'now'], 'no-argument', 'An argument is not expected'],
    [['check', '--live=yes'], 'flag-with-value', 'Flag: --live'],
    [['check', '-l'], 'unknown-flag', 'Found: "-l"'],
    [['check', '--constructor'], 'unknown-flag', 'Found: "--constructor"'],
    [['status', '--wait'], 'flag-without-value', 'For example: --wait 60s'],
    [['status', '--wait='], 'flag-without-value', 'For example: --wait 60s'],
    [['status', '--wait', '--json'], 'flag-without-value', 'For example: --wait 60s'],
    [['status', '--wait', 'soon'], 'flag-without-value', 'For example: --wait 60s'],
    [['check', '--health'], 'unknown-flag', 'Found: "--health"'],
    [['wait'], 'unknown-command', 'Found: "wait"'],
    [['discover'], 'unknown-command', 'Found: "discover"'],
    [['serve', '--port=8080'], 'unknown-flag', 'Found: "--port"'],
    [['', 'x'], 'unknown-command', 'Found: ""'],
  ])('%j is refused, and nothing is done', async (argv, problem, fact) => {
    const { code, stdout, stderr } = await runHere(argv)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(`[${problem}]`)
    expect(stderr).toContain(fact)
  })

  it('does not repeat the value of a flag', async () => {
    for (const args of [['--password=canary'], ['-pcanary'], ['canary'], ['--', 'canary']]) {
      const { code, stderr } = await runHere(['serve', ...args])
      expect(code).toBe(2)
      expect(stderr).not.toContain('canary')
    }
  })
})
