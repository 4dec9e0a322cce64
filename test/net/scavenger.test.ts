import { constants, PerformanceObserver } from 'node:perf_hooks'
import type { PerformanceEntry } from 'node:perf_hooks'
import { expect, test, vi } from 'vitest'
import { createScavenger } from '../../src/net/scavenger.ts'

interface Collection extends PerformanceEntry {
  readonly detail: { readonly kind: number; readonly flags: number }
}

const PIECE = 64 * 1024
const BATCH = 8 * 1024 * 1024

test('large pieces are collected once in 8 MiB, and the count begins anew', () => {
  const collect = vi.fn()
  const onPiece = createScavenger(collect)
  const pass = (bytes: number): void => {
    for (let passed = 0; passed < bytes; passed += PIECE) onPiece(PIECE)
  }
  pass(BATCH - PIECE)
  expect(collect).not.toHaveBeenCalled()
  pass(PIECE)
  expect(collect).toHaveBeenCalledTimes(1)
  pass(BATCH - PIECE)
  expect(collect).toHaveBeenCalledTimes(1)
  pass(PIECE)
  expect(collect).toHaveBeenCalledTimes(2)
})

test('small pieces, of which all business calls consist, never lead to a collection', () => {
  const collect = vi.fn()
  const onPiece = createScavenger(collect)
  for (let passed = 0; passed < 4 * BATCH; passed += 1024) onPiece(1024)
  expect(collect).not.toHaveBeenCalled()
})

test('V8 collects its young generation, and leaves gc to nobody else', async () => {
  const kinds: number[] = []
  const seen = new Promise<void>((resolve) => {
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        const { kind, flags } = (entry as Collection).detail
        if (flags & constants.NODE_PERFORMANCE_GC_FLAGS_FORCED) kinds.push(kind)
      }
      if (kinds.length > 0) {
        observer.disconnect()
        resolve()
      }
    })
    observer.observe({ entryTypes: ['gc'] })
  })
  createScavenger()(BATCH)
  await seen
  expect(kinds).toEqual([constants.NODE_PERFORMANCE_GC_MINOR])
  expect(globalThis).not.toHaveProperty('gc')
})
