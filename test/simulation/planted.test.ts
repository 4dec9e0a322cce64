import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { misfits } from './planted.ts'

it('plants mistakes that fit the program', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  expect(misfits(root)).toEqual([])
})
