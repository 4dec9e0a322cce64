import { vi } from 'vitest'

/** Collects what the process prints from now on, until the test ends. */
export function watchOutput(): () => string {
  const printed: unknown[] = []
  const collect = (...parts: readonly unknown[]): void => void printed.push(...parts)
  for (const method of ['error', 'warn', 'log', 'info'] as const) {
    vi.spyOn(console, method).mockImplementation(collect)
  }
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    collect(text)
    return true
  })
  return () => printed.map(String).join('\n')
}
