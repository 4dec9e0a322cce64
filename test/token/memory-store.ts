import { Secret } from '../../src/config/secret.ts'
import { createSealer } from '../../src/sharing/sealer.ts'
import { createShare } from '../../src/sharing/index.ts'
import type { StoreFailure } from '../../src/sharing/valkey.ts'
import type { StoredValue } from '../../src/token/register.ts'
import { compareAndSwap } from '../simulation/swap.ts'
import type { ManualClock } from '../support/manual-clock.ts'

type Reply = (swap: () => StoredValue) => Promise<StoredValue | StoreFailure>

/** Opens a store in memory; every call of the result opens a replica's share on it. Default reply: at once. */
export function openMemoryStore(clock: ManualClock) {
  let value = ''
  const sealer = createSealer(new Secret('k'.repeat(32)), 'https://isales', 'obs')
  return (reply: Reply = async (swap) => swap()) => {
    const store = {
      compareAndSwap(expected: string, desired: string) {
        const swap = (): StoredValue => {
          value = compareAndSwap(value, expected, desired)
          return { value, at: clock.now() + 1e12 }
        }
        return reply(swap)
      },
      start: (onConnection: () => void) => onConnection(),
      stop() {},
    }
    return createShare(store, sealer, { clock, onUnreadable() {} })
  }
}
