// Each scenario keeps its bounds. They are the most of 20 seeds when the table was made.
import { expect, test } from 'vitest'
import { openScenario } from './scenario-world.ts'
import { SCENARIOS } from './scenarios.ts'

test.each(Object.entries(SCENARIOS))('%s', async (_, { world: options, play, from, most }) => {
  const world = openScenario(options)

  const result = await world.result(play(world), from)

  const over = Object.entries(most).filter(
    ([what, bound]) => result[what as keyof typeof most] > bound,
  )
  expect({ ...result, over }).toMatchObject({ over: [] })
})
