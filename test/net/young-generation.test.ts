import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { transformSync } from 'esbuild'
import { beforeEach, expect, test, vi } from 'vitest'
import { limitYoungGeneration } from '../../src/net/young-generation.ts'

const MIB = 1024 * 1024
const LOOK_EVERY = 256

const space = vi.hoisted(() => ({ size: 0, flags: [] as string[] }))
vi.mock('node:v8', () => ({
  getHeapSpaceStatistics: () => [
    { space_name: 'old_space', space_size: 100 * 1024 * 1024 },
    { space_name: 'new_space', space_size: space.size },
  ],
  setFlagsFromString: (flag: string) => space.flags.push(flag),
}))

beforeEach(() => {
  space.flags = []
})

function pass(onCall: () => void, calls: number): void {
  for (let passed = 0; passed < calls; passed += 1) onCall()
}

test('growth ends once there is enough, begins anew when V8 has shrunk it, and is set no oftener', () => {
  const onCall = limitYoungGeneration()
  space.size = 8 * MIB
  pass(onCall, 2 * LOOK_EVERY)
  expect(space.flags).toEqual([])
  space.size = 16 * MIB
  pass(onCall, LOOK_EVERY - 1)
  expect(space.flags).toEqual([])
  pass(onCall, 1 + 2 * LOOK_EVERY)
  expect(space.flags).toEqual(['--semi-space-growth-factor=1'])
  space.size = 2 * MIB
  pass(onCall, 2 * LOOK_EVERY)
  expect(space.flags).toEqual(['--semi-space-growth-factor=1', '--semi-space-growth-factor=2'])
})

test('V8 obeys, in a process of its own', () => {
  expect(largest('limitYoungGeneration()')).toBeLessThanOrEqual(16 * MIB)
  expect(largest('() => undefined')).toBeGreaterThan(16 * MIB)
})

/** Bytes of the largest young generation that was seen during calls that leave a great deal alive. */
function largest(onCall: string): number {
  const file = new URL('../../src/net/young-generation.ts', import.meta.url)
  const { code } = transformSync(readFileSync(file, 'utf8'), { loader: 'ts' })
  const calls = `
    const onCall = ${onCall}
    let largest = 0
    let kept = []
    for (let call = 0; call < 20_000; call += 1) {
      for (let part = 0; part < 100; part += 1) kept.push({ call, part: [part] })
      if (kept.length > 50_000) kept = []
      onCall()
      largest = Math.max(largest, youngGeneration())
    }
    console.log(largest)`
  const input = `${code}\n${calls}`
  // On a small machine V8 would stop by itself.
  const args = ['--max-semi-space-size=16', '--input-type=module']
  return Number(execFileSync(process.execPath, args, { input, env: {} }))
}
