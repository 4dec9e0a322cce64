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

  it.each(Object.entries(COMMANDS))('explains %s and its flags', async (name, load) => {
    const { flags } = await load()
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
