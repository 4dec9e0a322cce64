import { readFileSync } from 'node:fs'

const DIRECTORY = 'config/systemd'
const NAMES = [
  'isales-auth-proxy.service',
  'isales-auth-proxy.socket',
  'isales-auth-proxy-credentials.path',
  'isales-auth-proxy-credentials.service',
  'isales-auth-proxy-changed.service',
]

/** Returns the units for several proxies on one machine: `isales-auth-proxy@north.service`. */
export function unitFiles(): readonly (readonly [file: string, text: string])[] {
  return NAMES.map((name) => {
    const unit = readFileSync(new URL(`../${DIRECTORY}/${name}`, import.meta.url), 'utf8')
    return [`${DIRECTORY}/${name.replace('.', '@.')}`, templateOf(unit)]
  })
}

/** Adds the instance's name to every unit, user and directory; the program is the same. */
function templateOf(unit: string): string {
  return unit
    .replace('User=isales-auth-proxy', 'User=isales-%i')
    .replace(/^Description=.*(?<!isales-auth-proxy)$/m, '$& (%i)')
    .replaceAll(/(?<!\/opt\/|man:)isales-auth-proxy(?:-credentials|-changed)?/g, '$&@%i')
}
