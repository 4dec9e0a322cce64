import { array, assert, asyncProperty, constantFrom, record } from 'fast-check'
import { expect, it } from 'vitest'
import { compareAndSwap, visible } from '../simulation/swap.ts'
import { account, ACCOUNTS, connect, KEY } from './connect.ts'
import { ENGINES, startServer } from './servers.ts'

const values = constantFrom('', 'a', 'too long', '\u0000\u00ff', 'x'.repeat(32 * 1024))

it.each(ENGINES)(
  '%s runs the script as the simulation models it, in any sequence, with the documented permissions',
  async (engine) => {
    const cli = ['--user', 'admin', '--pass', 'pw', '--no-auth-warning']
    const directives = ['user admin on >pw ~* +@all', ...ACCOUNTS]
    const server = await startServer({ engine, directives, cli })
    const settings = account('proxy')(server.port)
    const stores = [await connect(server.port, settings), await connect(server.port, settings)]
    // The third writes a value that is too long.
    const step = record({ by: constantFrom(0, 1, 2), expected: values, desired: values })
    await assert(
      asyncProperty(array(step, { maxLength: 25, size: 'max' }), async (sequence) => {
        await server.cli('FLUSHALL')
        let value = ''
        for (const { by, expected, desired } of sequence) {
          if (by === 2) {
            await server.cli('SET', KEY, (value = 'x'.repeat(32 * 1024 + 1)))
            continue
          }
          value = compareAndSwap(value, expected, desired)
          const { store, calls = [] } = stores[by] ?? {}
          const reply = await store?.compareAndSwap(expected, desired)
          const { operation, failure } = calls.at(-1) ?? {}
          expect([operation, failure]).toEqual([desired === '' ? 'read' : 'swap', undefined])
          expect(reply).toMatchObject({ value: visible(value) })
          expect(Math.abs(Number(Object(reply).at) - Date.now())).toBeLessThan(1000)
        }
      }),
      { numRuns: process.env['CI'] === 'true' ? 150 : 60 },
    )
    await server.cli('SET', KEY, 'rubbish')
    await stores[0]?.store.compareAndSwap('rubbish', 'value')
    expect(Math.ceil(Number(await server.cli('PTTL', KEY)) / 3_600_000)).toBe(48)
  },
)
