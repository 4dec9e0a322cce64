import { describe, expect, it } from 'vitest'
import { EXIT, EXIT_CODES } from '../../src/cli/exit-codes.ts'
import { COMMANDS } from '../../src/cli/run.ts'
import { runHere } from './stand.ts'

describe('help', () => {
  it.each([[['help']], [['--help']], [['-h']], [['help', '--help']]])(
    '%j lists every command and exit code',
    async (argv) => {
      const { code, stdout, stderr } = await runHere(argv)
      expect([code, stderr]).toEqual([0, ''])
      for (const name of [...Object.keys(COMMANDS), 'help', 'version']) {
        expect(stdout).toMatch(new RegExp(`^  ${name} +[A-Z]`, 'm'))
      }
      for (const [exit] of EXIT_CODES) expect(stdout).toMatch(new RegExp(`^  ${exit} +`, 'm'))
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

  it.each([['help'], ...Object.keys(COMMANDS).map((name) => [`help ${name}`])])(
    'fits a terminal of 80 columns: %s',
    async (line) => {
      const { stdout } = await runHere(line.split(' '))
      expect(stdout.split('\n').filter((text) => text.length > 80)).toEqual([])
      expect(stdout.endsWith('\n')).toBe(true)
    },
  )

  it('names the required settings, where all are, and an example of each command', async () => {
    const { stdout } = await runHere(['--help'])
    for (const name of ['ISALES_URL', 'ISALES_USER', 'ISALES_PASSWORD_FILE'])
      expect(stdout).toContain(name)
    expect(stdout).toContain('docs/configuration.md')
    for (const name of Object.keys(COMMANDS))
      expect(stdout).toMatch(new RegExp(`^ {2}isales-auth-proxy ${name}`, 'm'))
  })

  it.each([
    ['CLIENT_DEADLINE', /Within this time the client gets a response[^]*Default +2\.8s/],
    ['ISALES_PASSWORD_FILE', /ISALES_PASSWORD or ISALES_PASSWORD_FILE\n[^]*Default +required/],
    ['https_proxy', /^HTTPS_PROXY or https_proxy\n/],
    ['OBS_LOGIN', /Default +answer on loopback/],
  ])('explains the setting %s', async (name, text) => {
    const { code, stdout } = await runHere(['help', name])
    expect([code, stdout]).toEqual([0, expect.stringMatching(text)])
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([])
  })

  it('names every exit code that the program uses', () => {
    const named = new Set(EXIT_CODES.map(([code]) => Number(code)))
    expect(Object.values(EXIT).filter((code) => !named.has(code))).toEqual([])
  })
})

describe('version', () => {
  it.each(['version', '--version', '-v'])('%s prints it', async (word) => {
    expect(await runHere([word])).toEqual({ code: 0, stdout: `${BUILD_VERSION}\n`, stderr: '' })
  })
})

describe('a wrong command line', () => {
  it.each([
    [['chekc'], 'Unknown command "chekc". Did you mean check?'],
    [['sevre'], 'Unknown command "sevre". Did you mean serve?'],
    [['constructor'], 'Unknown command "constructor".'],
    [['help', 'wiat'], 'Unknown command "wiat". Did you mean wait?'],
    [['help', 'CLIENT_DEADLNE'], 'Unknown setting "CLIENT_DEADLNE". Did you mean CLIENT_DEADLINE?'],
    [['--helpp'], 'Unknown flag "--helpp". Did you mean --help?'],
    [['check', '--lvie'], 'Unknown flag "--lvie". Did you mean --live?'],
    [['check', '--live', 'now'], 'Unexpected argument: only flags are accepted here.'],
    [['check', '--live=yes'], '--live takes no value.'],
    [['check', '-l'], 'Unknown flag "-l".'],
    [['check', '--constructor'], 'Unknown flag "--constructor".'],
    [['wait', '--timeout'], '--timeout needs a value, such as --timeout 60s.'],
    [['wait', '--timeout='], '--timeout needs a value, such as --timeout 60s.'],
    [['wait', '--timeout', '--live'], '--timeout needs a value, such as --timeout 60s.'],
    [['wait', '--timeout', '5s', '--timeout=6s'], '--timeout is given twice.'],
    [['wait', '--timeout', 'soon'], '--timeout is not a duration'],
    [['check', '--live', '--health'], '--health asks a running proxy: it excludes --live'],
    [['serve', '--port=8080'], 'Unknown flag "--port".'],
    [['', 'x'], 'Unknown command "".'],
  ])('%j is refused, and nothing is done', async (argv, problem) => {
    const { code, stdout, stderr } = await runHere(argv)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(problem)
  })

  it('does not repeat the value of a flag', async () => {
    for (const args of [['--password=canary'], ['-pcanary'], ['canary'], ['--', 'canary']]) {
      const { code, stderr } = await runHere(['serve', ...args])
      expect(code).toBe(2)
      expect(stderr).not.toContain('canary')
    }
  })
})
