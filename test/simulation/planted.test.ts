import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { misfits } from './planted.ts'

it('plants mistakes that fit the program', () => {
  expect(misfits(fileURLToPath(new URL('../..', import.meta.url)))).toEqual([])
})
