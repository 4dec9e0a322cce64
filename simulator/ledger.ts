import { NewestMap } from './newest-map.ts'

/** A business call that was executed. */
export interface BusinessRecord {
  /** 1 for the first that was executed. */
  readonly number: number
  readonly method: string
  /** Path and query, as received. */
  readonly url: string
  /** `uniqueId` or `id` of the body, or `id` of the query. */
  readonly id: string | undefined
  readonly rawHeaders: readonly string[]
  readonly bodyBytes: number
}

/** Counts the results that were written back for one number. */
export interface ResultCount {
  readonly results: number
  readonly midResults: number
}

export interface Ledger {
  readonly record: (call: Omit<BusinessRecord, 'number'>) => void
  readonly handOut: (uniqueIds: readonly string[]) => void
  readonly writeResult: (uniqueId: string, kind: keyof ResultCount) => void
  /** The newest 10,000 business calls that were executed, oldest first. */
  readonly requests: () => readonly BusinessRecord[]
  /** Number of executions of a business call with this id. */
  readonly executions: (id: string) => number
  /** Number of times that each number was returned, by `uniqueId`. */
  readonly handedOut: () => ReadonlyMap<string, number>
  readonly results: () => ReadonlyMap<string, ResultCount>
  readonly counts: LedgerCounts
}

export interface LedgerCounts {
  /** Business calls that were executed. */
  business: number
  /** Business calls that were rejected because of their token. */
  businessRejected: number
  /** Calls of the forbidden path. */
  forbidden: number
  /** Calls whose id had been executed before, at the same path. */
  duplicates: number
  callnos: number
  results: number
  midResults: number
}

const REQUESTS_KEPT = 10_000
const IDS_KEPT = 100_000

/** Records the executed calls, to show that none was lost or executed twice. */
export function createLedger(
  onExecution: (record: BusinessRecord) => void = () => undefined,
): Ledger {
  const requests: BusinessRecord[] = []
  const executions = new NewestMap<string, number>(IDS_KEPT)
  const seen = new NewestMap<string, true>(IDS_KEPT)
  const handedOut = new NewestMap<string, number>(IDS_KEPT)
  const results = new NewestMap<string, ResultCount>(IDS_KEPT)
  const counts: LedgerCounts = {
    business: 0,
    businessRejected: 0,
    forbidden: 0,
    duplicates: 0,
    callnos: 0,
    results: 0,
    midResults: 0,
  }
  const increment = (map: Map<string, number>, id: string) => map.set(id, (map.get(id) ?? 0) + 1)

  return {
    counts,
    record(call) {
      counts.business += 1
      const record = { number: counts.business, ...call }
      onExecution(record)
      requests.push(record)
      if (requests.length > REQUESTS_KEPT) requests.shift()
      if (call.id === undefined) return
      increment(executions, call.id)
      const key = `${call.url.split('?', 1)[0]} ${call.id}`
      if (seen.has(key)) counts.duplicates += 1
      seen.set(key, true)
    },
    handOut(uniqueIds) {
      for (const id of uniqueIds) increment(handedOut, id)
      counts.callnos += uniqueIds.length
    },
    writeResult(uniqueId, kind) {
      counts[kind] += 1
      const before = results.get(uniqueId) ?? { results: 0, midResults: 0 }
      results.set(uniqueId, { ...before, [kind]: before[kind] + 1 })
    },
    requests: () => [...requests],
    executions: (id) => executions.get(id) ?? 0,
    handedOut: () => handedOut,
    results: () => results,
  }
}
