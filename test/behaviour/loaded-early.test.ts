import { expect, test, vi } from 'vitest'
import { manualClock } from '../support/manual-clock.ts'
import { until } from '../support/until.ts'
import { openWorld } from '../support/world.ts'

const loaded: string[] = []
for (const [path, name] of [
  ['../../src/obs/facade.ts', 'login'],
  ['../../src/admin/metrics.ts', 'metrics'],
] as const)
  vi.doMock(path, (original) => {
    loaded.push(name)
    return original()
  })

test('what answers logins and scrapes is loaded a second after the start, and not on its way', async () => {
  const clock = manualClock()
  await openWorld({ clock })
  await clock.advance(999)
  expect(loaded).toEqual([])
  await clock.advance(1)
  await until(() => loaded.length === 2)
  expect(loaded.toSorted()).toEqual(['login', 'metrics'])
})
