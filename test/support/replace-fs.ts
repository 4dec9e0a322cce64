import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { onTestFinished } from 'vitest'

/** Replaces functions of `node:fs/promises` in all modules, also loaded ones, until the test ends. */
export function replaceOfFs(functions: Readonly<Record<string, unknown>>): void {
  const real = { ...fs }
  Object.assign(fs, functions)
  syncBuiltinESMExports()
  onTestFinished(() => {
    Object.assign(fs, real)
    syncBuiltinESMExports()
  })
}
