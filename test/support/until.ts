import { setTimeout as delay } from 'node:timers/promises'

type Polled<Value> = Value | undefined | false | null

/** Polls until the condition returns a value, and returns that. @throws {Error} with its text after `limitMs`. */
export async function until<Value>(
  condition: () => Polled<Value> | Promise<Polled<Value>>,
  limitMs = 15_000,
): Promise<Value> {
  const start = performance.now()
  for (;;) {
    const value = await condition()
    if (value !== undefined && value !== false && value !== null) return value
    const waited = performance.now() - start
    if (waited > limitMs) throw new Error(`not within ${limitMs} ms: ${condition.toString()}`)
    // Slow conditions are polled less often: rendering all metrics, for example, costs milliseconds.
    await delay(2 + waited / 20)
  }
}

/** Returns the promise's value. @throws {Error} that names `what` if it takes longer. */
export async function within<Value>(
  promise: Promise<Value>,
  what: string,
  limitMs = 15_000,
): Promise<Value> {
  const stop = new AbortController()
  const limit = delay(limitMs, undefined, { signal: stop.signal }).then(() => {
    throw new Error(`${what}: not within ${limitMs} ms`)
  })
  try {
    return await Promise.race([promise, limit])
  } finally {
    stop.abort()
    limit.catch(() => undefined)
  }
}
