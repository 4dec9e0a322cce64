import { valueOf, type ConfigError, type Read } from './config-error.ts'
import { Secret } from './secret.ts'

/** What files hold. While one of them is wrong, what they held before stays in use. */
export interface Reloadable<T> {
  current(): T
  /** Reads the files again. `changed`, too, when they could not be used at the last reading: they can now. */
  reload(): 'same' | 'changed' | readonly ConfigError[]
}

export interface ReloadableOptions<T> {
  readonly read: () => Read<T>
  /** Called before a value is used. Default: nobody is warned. */
  readonly onWarning?: (warning: ConfigError) => void
  /** What was read already. Default: it is read now. */
  readonly first?: T
}

/** @throws {Error} that names what is wrong with the files at the first reading. */
export function createReloadable<T extends object>(options: ReloadableOptions<T>): Reloadable<T> {
  const { read, onWarning } = options
  let { first: current = valueOf(read()) } = options
  let failed = false
  return {
    current: () => current,
    reload() {
      const latest = read()
      const mended = failed && latest.ok
      failed = !latest.ok
      if (!latest.ok) return latest.errors
      if (onWarning !== undefined) latest.warnings?.forEach(onWarning)
      if (!mended && isSame(current, latest.value)) return 'same'
      current = latest.value
      return 'changed'
    },
  }
}

/** Of two objects that hold texts, numbers and secrets. */
function isSame(one: object, other: object): boolean {
  const plain = (value: unknown): unknown => (value instanceof Secret ? value.reveal() : value)
  const former = new Map(Object.entries(one))
  return Object.entries(other).every(([key, value]) => plain(former.get(key)) === plain(value))
}
