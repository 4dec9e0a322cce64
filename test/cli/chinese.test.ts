import { describe, expect, it } from 'vitest'
import { COMMANDS } from '../../src/cli/index.ts'
import { SETTING_LIST } from '../../src/config/settings.ts'
import { foreign } from '../words/foreign.ts'
import { runHere } from './stand.ts'

// Where the locale is Chinese, a command speaks Chinese. test/cli/wrong-settings.test.ts has what is wrong with settings.

const env = { LANG: 'zh_CN.UTF-8' }
const columns = (line: string): number => line.length + (line.match(/[⺀-￯]/g)?.length ?? 0)
/** Usage, flags and what stands before the explanation of a row. */
const NOT_WORDS =
  /^.*isales-auth-proxy \[--instance.*$|\[[^\]]*\]|^ {2}\S+(?: [A-Z]+\b| \[\S+\])*(?= )/gm

describe('in Chinese, and within 80 columns, help explains', () => {
  it.each([[], ...Object.keys(COMMANDS).map((name) => [name])])('%s', async (...names) => {
    const { code, stdout } = await runHere(['help', ...names], { env })
    expect(code).toBe(0)
    expect(stdout).toMatch(/\p{Script=Han}/u)
    expect(foreign(stdout.replaceAll(NOT_WORDS, ''))).toEqual([])
    expect(stdout.split('\n').filter((line) => columns(line) > 80)).toEqual([])
  })
})

describe('in Chinese a wrong command line is refused', () => {
  it.each([
    ['chekc'],
    ['check', '--lvie'],
    ['check', '--live', 'now'],
    ['check', '--live=yes'],
    ['status', '--wait'],
    ['--instance', 'no/name', 'check'],
    ['--instance', 'nowhere', 'check'],
  ])('%s', async (...argv) => {
    const { code, stderr } = await runHere(argv, { env })
    expect(code).toBe(2)
    expect(stderr).toMatch(/\p{Script=Han}/u)
    expect(
      foreign(stderr.replaceAll(/"[^"]*"|(?:ls -d )?\/etc\/isales-auth-proxy\S*|\[[a-z-]+\]/g, '')),
    ).toEqual([])
  })
})

it('the table of settings is Chinese, too', async () => {
  const sound = { ISALES_URL: 'https://isales.example', ISALES_USER: 'obs', ISALES_PASSWORD: 'x' }
  const { stdout } = await runHere(['check'], { env: { ...sound, ...env } })
  expect(stdout).toContain('配置没有问题。')
  const values = SETTING_LIST.flatMap(({ name, default: text = '' }) => [name, text])
  const given = [...Object.values(sound), ...values, '[redacted]'].filter(Boolean)
  const longestFirst = given.toSorted((one, other) => other.length - one.length)
  const rest = longestFirst.reduce((text, each) => text.replaceAll(each, ''), stdout)
  expect(foreign(rest.replaceAll(/\/rest\S+/g, ''))).toEqual([])
})
