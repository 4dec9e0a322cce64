import { Counter, type Registry } from 'prom-client'

export const PREFIX = 'isales_proxy_'

/** How an exchange, a local login or a reload of the secret files ended. */
export const OUTCOMES = ['success', 'failure'] as const
export type Outcome = (typeof OUTCOMES)[number]

interface CounterOptions<Value extends string> {
  readonly name: string
  readonly help: string
  readonly label: string
  readonly values: readonly Value[]
}

/** A counter with one label from a closed set. */
export function counter<Value extends string>(registry: Registry, options: CounterOptions<Value>) {
  const { label, values } = options
  const metric = new Counter({
    name: `${PREFIX}${options.name}`,
    help: options.help,
    labelNames: [label],
    registers: [registry],
  })
  const bound = new Map(values.map((value) => [value, metric.labels(value)]))
  for (const child of bound.values()) child.inc(0)
  return {
    add: (value: Value): void => {
      bound.get(value)?.inc()
    },
    read: async (): Promise<ReadonlyMap<Value, number>> => {
      const { values: rows } = await metric.get()
      const counts = new Map(rows.map((row) => [String(row.labels[label]), row.value]))
      return new Map(values.map((value) => [value, counts.get(value) ?? 0]))
    },
  }
}
