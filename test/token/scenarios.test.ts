// Each scenario keeps its bounds. They are the most of 20 seeds when the table was made.
import { expect, test } from 'vitest'
import { played, SCENARIOS } from './scenarios.ts'

test.each(Object.entries(SCENARIOS))('%s', async (_, scenario) => {
  expect(await played(scenario)).toMatchObject({ over: [] })
})
