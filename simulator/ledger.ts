/** One business call that was carried out. */
export interface BusinessRecord {
  /** 1 for the first that was carried out. */
  readonly number: number
  readonly method: string
  /** Path and query, as received. */
  readonly url: string
  /** `uniqueId` or `id` of the body, or `id` of the query. */
  readonly id: string | undefined
  readonly rawHeaders: readonly string[]
  readonly bodyBytes: number
}

/** What was written back for one number. */
export interface ResultCount {
  readonly results: number
  readonly midResults: number
}

export interface Ledger {
  readonly record: (call: Omit<BusinessRecord, 'number'>) => void
  readonly handOut: (uniqueIds: readonly string[]) => void
  readonly writeResult: (uniqueId: string, kind: keyof ResultCount) => void
  /** The newest 10,000 business calls that were carried out, oldest first. */
  readonly requests: () => readonly BusinessRecord[]
  /** How often a business call with this id was carried out. */
  readonly executions: (id: string) => number
  /** How often each number was handed out, by `uniqueId`. */
  readonly handedOut: () => ReadonlyMap<string, number>
  readonly results: () => ReadonlyMap<string, ResultCount>
  readonly counts: LedgerCounts
}

export interface LedgerCounts {
  /** Business calls that were carried out. */
  business: number
  /** Business calls refused for their token. */
  businessRejected: number
  /** Calls whose id had been carried out before, at the same path. */
  duplicates: number
  callnos: number
  results: number
  midResults: number
}

const REQUESTS_KEPT = 10_000
const IDS_KEPT = 100_000

/** What iSales carried out: the proof that nothing was lost and nothing done twice. */
export function createLedger(): Ledger {
  const ring: BusinessRecord[] = []
  const executions = new Map<string, number>()
  const seenAt = new Set<string>()
  const handedOut = new Map<string, number>()
  const results = new Map<string, ResultCount>()
  const counts: LedgerCounts = {
    business: 0,
    businessRejected: 0,
    duplicates: 0,
    callnos: 0,
    results: 0,
    midResults: 0,
  }

  function countId(id: string, url: string): void {
    bump(executions, id)
    const place = `${pathOf(url)} ${id}`
    if (seenAt.has(place)) counts.duplicates += 1
    seenAt.add(place)
    keepNewest(seenAt)
  }

  return {
    counts,
    record(call) {
      counts.business += 1
      const record = { number: counts.business, ...call }
      ring[(record.number - 1) % REQUESTS_KEPT] = record
      if (call.id !== undefined) countId(call.id, call.url)
    },
    handOut(uniqueIds) {
      for (const id of uniqueIds) bump(handedOut, id)
      counts.callnos += uniqueIds.length
    },
    writeResult(uniqueId, kind) {
      counts[kind] += 1
      const before = results.get(uniqueId) ?? { results: 0, midResults: 0 }
      results.set(uniqueId, { ...before, [kind]: before[kind] + 1 })
      keepNewest(results)
    },
    requests() {
      const oldest = counts.business % REQUESTS_KEPT
      return counts.business <= REQUESTS_KEPT
        ? [...ring]
        : [...ring.slice(oldest), ...ring.slice(0, oldest)]
    },
    executions: (id) => executions.get(id) ?? 0,
    handedOut: () => handedOut,
    results: () => results,
  }
}

function bump(map: Map<string, number>, id: string): void {
  map.set(id, (map.get(id) ?? 0) + 1)
  keepNewest(map)
}

function keepNewest(kept: Map<string, unknown> | Set<string>): void {
  if (kept.size <= IDS_KEPT) return
  const [oldest] = kept.keys()
  if (oldest !== undefined) kept.delete(oldest)
}

function pathOf(url: string): string {
  return url.split('?', 1)[0] ?? url
}
