import { describe, expect, it } from 'vitest'
import { createAccounts, type Attempt } from '../../simulator/accounts.ts'
import { createLedger } from '../../simulator/ledger.ts'
import { changeSwitches } from '../../simulator/switches.ts'

const CALL = { method: 'POST', url: '/a?x=1', rawHeaders: [], bodyBytes: 0 }

describe('memory has an end', () => {
  it('the ledger keeps the newest 10,000 requests, the oldest first', () => {
    const ledger = createLedger()
    for (let count = 0; count < 10_003; count += 1) ledger.record({ ...CALL, id: undefined })
    const numbers = ledger.requests().map(({ number }) => number)
    expect(numbers).toEqual(Array.from({ length: 10_000 }, (_, index) => index + 4))
  })

  it('the ledger keeps the newest 100,000 ids', () => {
    const ledger = createLedger()
    for (let count = 0; count <= 100_000; count += 1) ledger.record({ ...CALL, id: String(count) })
    expect(ledger.executions('0')).toBe(0)
    expect(ledger.executions('1')).toBe(1)
  })

  it('the accounts keep the newest 5,000 sessions, of which a renewed one is new', () => {
    const switches = changeSwitches({}, {})
    const accounts = createAccounts({ switches: () => switches, now: () => 0 })
    const grantOf = (attempt: Attempt) => ('grant' in attempt ? attempt.grant : undefined)
    const login = () => grantOf(accounts.login(switches.user, switches.password))
    const [first, second] = [login(), login()]
    const renewed = grantOf(accounts.refresh(first?.refreshToken, first?.token))
    for (let count = 0; count < 4999; count += 1) login()
    expect(accounts.accepts(String(renewed?.token))).toBe(true)
    expect(accounts.accepts(String(second?.token))).toBe(false)
    expect(grantOf(accounts.refresh(second?.refreshToken, second?.token))).toBeUndefined()
    expect(grantOf(accounts.refresh(first?.refreshToken, renewed?.token))).toBeDefined()
    expect(accounts.issued).toHaveLength(10_000)
  })
})
