import { describe, expect, it } from 'vitest'
import { EXIT } from '../../src/cli/io.ts'
import { COMMANDS } from '../../src/cli/index.ts'
import { PROBLEMS } from '../../src/codes.ts'
import { KNOWN } from '../../src/config/index.ts'
import { findSection } from '../../src/messages/index.ts'
import { ALERTS } from '../docs/pages.ts'
import { foreign } from '../messages/foreign.ts'
import { runHere } from './stand.ts'

// A Chinese locale gets Chinese output. test/cli/check.test.ts has mistakes in settings.

const CHINESE = { env: { LANG: 'zh_CN.UTF-8' } }
const columns = (line: string): number => line.length + (line.match(/[⺀-￯]/g)?.length ?? 0)
/** Usage, flags, and the first column of a row. */
const NOT_WORDS =
  /^.*isales-auth-proxy \[--instance.*$|\[[^\]]*\]|^ {2}\S+(?: [A-Z]+\b| \[\S+\])*(?= )/gm

describe('help', () => {
  it.each(['help', '--help', '-h'])(
    '%s lists every command, exit code and setting',
    async (one) => {
      const { code, stdout, stderr } = await runHere([one])
      expect([code, stderr]).toEqual([0, ''])
      for (const name of [...Object.keys(COMMANDS), 'help CODE', 'version'])
        expect(stdout).toMatch(new RegExp(`^  ${name} +.*[A-Z]`, 'm'))
      for (const exit of Object.values(EXIT))
        expect(stdout).toMatch(new RegExp(`^  ${exit} .*[a-z]`, 'm'))
      for (const text of ['ISALES_URL', 'ISALES_USER', 'ISALES_PASSWORD', 'docs/configuration.md'])
        expect(stdout).toContain(text)
    },
  )

  it.each(Object.entries(COMMANDS))('explains %s and its flags', async (name, { flags }) => {
    const asked = await runHere(['help', name])
    expect(asked.code).toBe(0)
    expect(asked.stdout).toContain(`Usage: isales-auth-proxy ${name}`)
    for (const flag of Object.keys(flags)) expect(asked.stdout).toContain(`--${flag}`)
    expect(await runHere([name, '--nonsense', '-h'])).toEqual(asked)
  })

  it.each([[], ...Object.keys(COMMANDS).map((name) => [name])])(
    'explains it in Chinese within 80 columns: %s',
    async (...names) => {
      const { code, stdout } = await runHere(['help', ...names], CHINESE)
      expect(code).toBe(0)
      expect(stdout).toMatch(/\p{Script=Han}/u)
      expect(foreign(stdout.replaceAll(NOT_WORDS, ''))).toEqual([])
      expect(stdout.split('\n').filter((line) => columns(line) > 80)).toEqual([])
    },
  )

  it('explains a code with its section of docs/', async () => {
    const { code, stdout } = await runHere(['help', 'shutting-DOWN'])
    const { title, meaning, remedy } = findSection('en', 'shutting-down')
    const said = stdout.replaceAll(/\s+/g, ' ').trim()
    expect([code, said]).toEqual([0, `shutting-down ${title}. ${meaning} ${remedy}`])
  })

  it('explains every alert, setting and status of a response in both languages', async () => {
    const statuses = new Set(Object.values(PROBLEMS).map(({ status }) => String(status)))
    const words = [...ALERTS.map(({ alert }) => alert), ...KNOWN, ...statuses, '302', '404', '429']
    for (const word of words) {
      const english = await runHere(['help', word])
      const chinese = await runHere(['help', word.toLowerCase()], CHINESE)
      expect([word, english.code, chinese.code]).toEqual([word, 0, 0])
      expect(english.stdout).toMatch(/[a-z]{3}.*\n/)
      expect(chinese.stdout).toMatch(/\p{Script=Han}/u)
    }
    for (const [word, said] of [
      ['IsalesProxyDown', 'The proxy cannot be scraped.'],
      ['502', 'upstream-broken  '],
      ['502', 'gateway  '],
      ['isales_rejected', '401,403'],
      ['419', 'call-declined  '],
    ] as const)
      expect((await runHere(['help', word])).stdout).toContain(said)
  })
})

it.each(['version', '--version', '-v'])('%s prints the version', async (word) => {
  expect(await runHere([word])).toEqual({ code: 0, stdout: `${BUILD_VERSION}\n`, stderr: '' })
})

/** Typed texts, paths and codes. */
const GIVEN = /"[^"]*"|(?:ls -d )?\/etc\/isales-auth-proxy\S*|\[[a-z-]+\]/g

describe('a wrong command line', () => {
  it.each([
    [['chekc'], 'Probably meant: check. [unknown-command]'],
    [['help', 'stauts'], 'Probably meant: status. [unknown-code]'],
    [['check', '--constructor'], '[unknown-flag]'],
    [['serve', '--port=8080'], '[unknown-flag]'],
    [['check', '--live', 'now'], '[no-argument]'],
    [['check', '--live=yes'], '[flag-value]'],
    [['status', '--wait='], 'For example: --wait 60s. [flag-value]'],
    [['status', '--wait', '--json'], '[flag-value]'],
    [['--instance'], '[no-instance]'],
    [['--instance=../north', 'status'], '[no-instance]'],
    [['--instance=nowhere', 'status'], 'File: /etc/isales-auth-proxy@nowhere/env. [no-instance]'],
  ])('%j is refused in both languages, without any action', async (argv, said) => {
    const { code, stdout, stderr } = await runHere(argv)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/^Error: /)
    expect(stderr).toContain(said)
    const chinese = (await runHere(argv, CHINESE)).stderr
    expect(chinese).toMatch(/\p{Script=Han}/u)
    expect(foreign(chinese.replaceAll(GIVEN, ''))).toEqual([])
  })

  it('is not repeated, because it may contain a password', async () => {
    for (const args of [['--password=canary'], ['-pcanary'], ['canary'], ['--', 'canary']]) {
      const { code, stderr } = await runHere(['serve', ...args])
      expect(code).toBe(2)
      expect(stderr).not.toContain('canary')
    }
  })
})
