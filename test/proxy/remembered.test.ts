import { expect, it } from 'vitest'
import { remembered } from '../../src/proxy/headers.ts'

/** A function that remembers, and how often it computed. */
function counting() {
  let computed = 0
  const lengthOf = remembered((text) => {
    computed += 1
    return text.length
  })
  return { lengthOf, computed: () => computed }
}

it('computes a text once', () => {
  const { lengthOf, computed } = counting()
  expect([lengthOf('host'), lengthOf('host'), lengthOf('Host')]).toEqual([4, 4, 4])
  expect(computed()).toBe(2)
})

it('keeps 256 texts of 256 characters at most, however many a client sends', () => {
  const { lengthOf, computed } = counting()
  for (let n = 0; n < 256; n += 1) lengthOf(`x-${n}`)
  lengthOf('x-0')
  expect(computed()).toBe(256)
  lengthOf('one more')
  lengthOf('x-0')
  expect(computed()).toBe(258)
  for (let n = 0; n < 2; n += 1) lengthOf('x'.repeat(257))
  expect(computed()).toBe(260)
})
