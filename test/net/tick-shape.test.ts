import { expect, test } from 'vitest'
import { keepTickShape } from '../../src/net/tick-shape.ts'

test('what is kept is what Node makes for a process.nextTick', async () => {
  const tick = await keepTickShape()
  const names = Reflect.ownKeys(tick).map(String)
  expect(names).toEqual(expect.arrayContaining(['callback', 'args']))
  expect(names.filter((name) => name.startsWith('Symbol('))).not.toEqual([])
  expect(Reflect.get(tick, 'callback')).toBeTypeOf('function')
})
