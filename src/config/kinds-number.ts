import { Refusal, schemaOf, type Kind } from './kinds.ts'

export interface Limits {
  readonly min: number
  readonly max: number
  /** 0 is taken although it is below `min`. */
  readonly zero?: string
}

const DURATION_UNITS: Readonly<Record<string, number>> = {
  '': 1000,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** Milliseconds, written `250ms`, `2.8s`, `5m` or `1h`; a bare number is seconds. */
export function duration(limits: Limits): Kind<number> {
  return numeric({
    type: 'duration',
    limits,
    pattern: /^(\d+(?:\.\d+)?)(ms|s|m|h|)$/,
    units: DURATION_UNITS,
    malformed: 'is not a duration such as 250ms, 2.8s, 5m or 1h (a bare number is seconds)',
    tooFine: 'is finer than one millisecond',
    format: formatDuration,
  })
}

/** The shortest text that `duration` reads as the same number of milliseconds. */
export function formatDuration(ms: number): string {
  if (ms >= 3_600_000 && ms % 3_600_000 === 0) return `${ms / 3_600_000}h`
  if (ms >= 60_000 && ms % 60_000 === 0) return `${ms / 60_000}m`
  return ms === 0 || ms >= 1000 ? `${ms / 1000}s` : `${ms}ms`
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
}

/** Bytes, written `64KiB`, `1.5MiB`, `1GiB`, or a bare number of bytes. */
export function size(limits: Limits): Kind<number> {
  return numeric({
    type: 'size',
    limits,
    pattern: /^(\d+(?:\.\d+)?)(B|KiB|MiB|GiB|)$/,
    units: SIZE_UNITS,
    malformed: 'is not a size such as 64KiB, 1MiB or 4096 (bytes)',
    tooFine: 'is not a whole number of bytes',
    format: formatSize,
  })
}

/** The shortest text that `size` reads as the same number of bytes. */
function formatSize(bytes: number): string {
  for (const unit of ['GiB', 'MiB', 'KiB']) {
    const factor = SIZE_UNITS[unit] ?? 1
    if (bytes > 0 && bytes % factor === 0) return `${bytes / factor}${unit}`
  }
  return String(bytes)
}

/** A whole number. */
export function count(limits: Limits): Kind<number> {
  return numeric({
    type: 'count',
    limits,
    pattern: /^(\d+)()$/,
    units: { '': 1 },
    malformed: 'is not a whole number',
    tooFine: 'is not a whole number',
    format: String,
  })
}

interface NumericSpec {
  readonly type: string
  readonly limits: Limits
  readonly pattern: RegExp
  readonly units: Readonly<Record<string, number>>
  readonly malformed: string
  readonly tooFine: string
  readonly format: (value: number) => string
}

/** Whole numbers of a smallest unit, written with larger ones. */
function numeric(spec: NumericSpec): Kind<number> {
  const { min, max, zero } = spec.limits
  const range = `${spec.format(min)} to ${spec.format(max)}`
  const limits = zero === undefined ? range : `${range}; 0 ${zero}`
  return {
    type: spec.type,
    limits,
    quotable: true,
    format: spec.format,
    schema: schemaOf((text) => {
      const [, digits, unit] = spec.pattern.exec(text) ?? []
      if (digits === undefined || unit === undefined) return new Refusal(spec.malformed)
      const exact = Number(digits) * (spec.units[unit] ?? 1)
      const value = Math.round(exact)
      // 1.1 s is 1100.0000000000001 ms: binary fractions are not a finer unit.
      if (Math.abs(exact - value) > 1e-6 * Math.max(1, value)) return new Refusal(spec.tooFine)
      if (value === 0 && zero !== undefined) return 0
      return value < min || value > max ? new Refusal(`is outside ${limits}`) : value
    }),
  }
}

/** A share, written as a decimal fraction. */
export function ratio(limits: Limits): Kind<number> {
  const { min, max } = limits
  return {
    type: 'ratio',
    limits: `${min} to ${max}`,
    quotable: true,
    format: String,
    schema: schemaOf((text) => {
      if (!/^\d+(?:\.\d+)?$/.test(text)) return new Refusal('is not a share such as 0.8')
      const value = Number(text)
      return value < min || value > max ? new Refusal(`is outside ${min} to ${max}`) : value
    }),
  }
}

/** The share of requests that is sampled: `off` is 0, `full` is 1. */
export function sampling(): Kind<number> {
  return {
    type: 'off, full or a share',
    limits: 'off, full, or 0 to 1',
    quotable: true,
    format: (share) => (share === 0 ? 'off' : share === 1 ? 'full' : String(share)),
    schema: schemaOf((text) => {
      if (text === 'off') return 0
      if (text === 'full') return 1
      const share = /^\d(?:\.\d+)?$/.test(text) ? Number(text) : Infinity
      return share <= 1 ? share : new Refusal('is neither off, full, nor a share such as 0.01')
    }),
  }
}
