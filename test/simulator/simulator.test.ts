// Tests of the proxy and of the documented commands use the simulator, and see it fail.
import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { COMMANDS } from '../../simulator/commands.ts'
import { parseInvocation, usage } from '../../simulator/program.ts'

it('docs/dev/simulator.md has every flag and command, and only valid ones', async () => {
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
