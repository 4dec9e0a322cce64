// Tests of the proxy and of the documented commands use the simulator, and see it fail.
import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { COMMANDS } from '../../simulator/commands.ts'
import { parseInvocation } from '../../simulator/program.ts'

it('docs/dev/simulator.md has every command, and only valid flags', async () => {
  const page = await readFile(new URL('../../docs/dev/simulator.md', import.meta.url), 'utf8')
  const commands = Object.keys(COMMANDS)
  expect(commands.filter((command) => !page.includes(`\`${command}\``))).toEqual([])
  const shown = [
    ...page.matchAll(/npm run simulator -- ([^\n`#|]+)/g),
    ...page.matchAll(/`(--[a-z-]+[ =][^`]+)`/g),
  ].map(([, args = '']) => args.trim())
  expect(shown).toContain('--port 9400 --lifetime 300')
  for (const args of shown.filter((line) => !line.includes("'")))
    expect(() => parseInvocation(args.split(/ +/))).not.toThrow()
})
