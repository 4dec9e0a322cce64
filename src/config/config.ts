import type { Kind } from './kinds.ts'
import type { SettingName, SETTINGS } from './settings.ts'

/** `ISALES_URL` becomes `isalesUrl`. */
export type CamelCase<Name extends string> = Name extends `${infer Head}_${infer Rest}`
  ? `${Lowercase<Head>}${Capitalize<CamelCase<Rest>>}`
  : Lowercase<Name>

type ValueOf<S> = S extends { readonly kind: Kind<infer T> }
  ? S extends
      | { readonly default: string }
      | { readonly required: true }
      | { readonly derived: string }
    ? T
    : T | undefined
  : never

type Values = {
  readonly [Name in SettingName as CamelCase<Name>]: ValueOf<(typeof SETTINGS)[Name]>
}

/** Where a value that may come from a file came from; undefined when it did not. */
type Files = {
  readonly [
    Name in SettingName as (typeof SETTINGS)[Name] extends { readonly file: string }
      ? `${CamelCase<Name>}File`
      : never
  ]: string | undefined
}

/**
 * The whole configuration, read and judged. Keys are the environment names in camel case; durations are
 * milliseconds, sizes bytes; what is unset and has no default is undefined, and so is `off` where a path or a header
 * can be off.
 */
export type Config = { readonly [Key in keyof (Values & Files)]: (Values & Files)[Key] }

export type ConfigKey = keyof Config

/** `ISALES_URL` becomes `isalesUrl`. */
export function configKey<const Name extends string>(name: Name): CamelCase<Name> {
  const camel = name.toLowerCase().replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase())
  return camel as CamelCase<Name>
}
