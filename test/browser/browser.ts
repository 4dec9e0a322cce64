import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'

const EXECUTABLE = process.env['CHROMIUM'] ?? '/usr/bin/chromium'

/** False where there is no browser to test with; in CI that is a failure, not a reason to pass. */
export function haveBrowser(): boolean {
  if (existsSync(EXECUTABLE)) return true
  const what = `no Chromium at ${EXECUTABLE} (apt install chromium, or set CHROMIUM)`
  if (process.env['CI'] === 'true') throw new Error(what)
  process.stderr.write(`skipped: ${what}\n`)
  return false
}

export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: EXECUTABLE,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  })
}
