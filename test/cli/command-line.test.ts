import { describe, expect, it } from 'vitest'
import { EXIT } from '../../src/cli/io.ts'
import { en } from '../../src/words/index.ts'
import { COMMANDS } from '../../src/cli/run.ts'
import { runHere } from './stand.ts'

describe('help', () => {
  it.each([[['help']], [['--help']], [['-h']]])(
    '%j lists every command and exit code',
    async (argv) => {
      const { code, stdout, stderr } = await runHere(argv)
      expect([code, stderr]).toEqual([0, ''])
      for (const name of [...Object.keys(COMMANDS), 'help', 'version']) {
        expect(stdout).toMatch(new RegExp(`^  ${name} +.*[A-Z]`, 'm'))
      }
      for (const [exit] of en.exitCodes) expect(stdout).toMatch(new RegExp(`^  ${exit} +`, 'm'))
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

  it('names the required settings, and where all are', async () => {
    const { stdout } = await runHere(['--help'])
    for (const name of ['ISALES_URL', 'ISALES_USER', 'ISALES_PASSWORD'])
      expect(stdout).toContain(name)
    expect(stdout).toContain('docs/configuration.md')
  })

  it('names every exit code that the program uses', () => {
    const named = new Set(en.exitCodes.map(([code]) => Number(code)))
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
    [['chekc'], 'Unknown command or flag "chekc". Did you mean check?'],
    [['sevre'], 'Unknown command or flag "sevre". Did you mean serve?'],
    [['constructor'], 'Unknown command or flag "constructor".'],
    [['help', 'stauts'], 'Unknown command or flag "stauts". Did you mean status?'],
    [['help', 'LISTEN'], 'Unknown command or flag "LISTEN".'],
    [['--helpp'], 'Unknown command or flag "--helpp". Did you mean --help?'],
    [['check', '--lvie'], 'Unknown command or flag "--lvie". Did you mean --live?'],
    [['check', '--live', 'now'], 'Unexpected argument: only flags are accepted here.'],
    [['check', '--live=yes'], '--live takes no value.'],
    [['check', '-l'], 'Unknown command or flag "-l".'],
    [['check', '--constructor'], 'Unknown command or flag "--constructor".'],
    [['status', '--wait'], '--wait needs a value, such as --wait 60s.'],
    [['status', '--wait='], '--wait needs a value, such as --wait 60s.'],
    [['status', '--wait', '--json'], '--wait needs a value, such as --wait 60s.'],
    [['status', '--wait', 'soon'], '--wait needs a value, such as --wait 60s.'],
    [['check', '--health'], 'Unknown command or flag "--health".'],
    [['wait'], 'Unknown command or flag "wait".'],
    [['discover'], 'Unknown command or flag "discover".'],
    [['serve', '--port=8080'], 'Unknown command or flag "--port".'],
    [['', 'x'], 'Unknown command or flag "".'],
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
