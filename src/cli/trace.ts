import { STATUS_CODES } from 'node:http'
import { systemClock } from '../clock.ts'
import { holds, Secret, type Config } from '../config/index.ts'
import { isObject, parseObject } from '../json.ts'
import { SENT_HEADERS, type Post } from '../upstream/index.ts'

/** The response headers whose values are shown. */
const SHOWN = /^(?:content-(?:type|encoding)|retry-after|server|date)$/i
/** Characters of a header, a key or a `result`; a longer one is shown as its length. */
const MAX_TEXT = 100

/**
 * Wraps a `Post` so that it writes each exchange as `curl -v` does: `>` sent, `<` received, `*` what is known. A transcript can be
 * published: secrets, the user and texts of bodies are written as names or lengths, and no host is.
 */
export function tracePost(post: Post, config: Config, to: { write(text: string): unknown }): Post {
  const line = (mark: string, text: string) => to.write(`${mark} ${text}\n`)
  /** The names of all secrets, by their texts. */
  const names = new Map<string, string>()
  for (const [key, value] of Object.entries(config))
    if (value instanceof Secret) names.set(value.reveal(), key)
  names.set(config.isalesUser, 'user').set(config.isalesPassword.reveal(), 'password')
  /** Takes a token for a secret. Returns its name. */
  const learn = (text: string, name: string): string => {
    const earlier = [...names.values()].filter((one) => one.startsWith(name)).length
    if (!names.has(text)) names.set(text, earlier === 0 ? name : `${name} ${earlier + 1}`)
    return `<${names.get(text)}>`
  }

  const lengthOf = (text: string): string => `string(${text.length})`
  const shown = (text: string, visible = text): string => {
    const isHidden = [...names.keys()].some((secret) => holds(text, secret))
    return isHidden || text.length > MAX_TEXT ? lengthOf(text) : visible
  }
  /** `{"result":0,"resultData":{"token":string(32),"tokenExpirationTime":300}}`, with secrets by their names if `isOurs`. */
  const shape = (value: unknown, isOurs: boolean, key = '', depth = 0): string => {
    if (typeof value === 'string') {
      const isLifetime = key.endsWith('ExpirationTime') && /^\d+$/.test(value)
      if ((key === 'result' && depth === 1) || isLifetime)
        return shown(value, JSON.stringify(value))
      return isOurs && names.has(value) ? learn(value, '') : lengthOf(value)
    }
    if (typeof value === 'number') return names.has(`${value}`) ? 'number' : `${value}`
    if (Array.isArray(value)) return `array(${value.length})`
    if (!isObject(value)) return String(value)
    // Deeper ones could be as deep as the stack.
    if (depth > 6) return 'object'
    const members = Object.entries(value).map(
      ([name, one]) =>
        `${shown(name, JSON.stringify(name))}:${shape(one, isOurs, name, depth + 1)}`,
    )
    return `{${members.join()}}`
  }

  return async (request) => {
    const { path, headers: carriers = [] } = request
    line('*', new Date().toISOString())
    line('>', `POST ${path}`)
    for (let i = 0; i < carriers.length; i += 2) {
      const [, scheme = '', token = ''] = /^(\S+ )?(.*)$/.exec(carriers[i + 1] ?? '') ?? []
      // A token that iSales did not grant is the one that is wrong on purpose.
      line('>', `${carriers[i]}: ${scheme}${learn(token, 'invalid token')}`)
    }
    line('>', SENT_HEADERS.join(', '))
    line('>', shape(parseObject(request.body), true))
    const sentAt = systemClock.now()
    const response = await post(request)
    const took = `${Math.round(systemClock.now() - sentAt)} ms`
    if (!response.ok) {
      const sent = response.written ? 'sent' : 'not sent'
      line('*', `${response.cause.code}, ${response.detail}, ${sent}, ${took}`)
      return response
    }
    const { status, headers = [], contentType = '', body } = response
    const json = parseObject(body ?? '')
    // `business/interface` names a path `refreshToken`.
    const data = path === config.isalesInterfacePath ? undefined : json?.['resultData']
    const granted = ['token', 'refreshToken'].flatMap((key) => {
      const token = isObject(data) ? data[key] : undefined
      return typeof token === 'string' || typeof token === 'number' ? [learn(`${token}`, key)] : []
    })
    line('<', `${status} ${STATUS_CODES[status] ?? ''}`.trim())
    for (const [name, value] of headers) if (SHOWN.test(name)) line('<', `${name}: ${shown(value)}`)
    const others = headers.filter(([name]) => !SHOWN.test(name))
    line('<', others.map(([name]) => shown(name)).join(', '))
    const type = shown(contentType.split(';', 1)[0] || 'no type')
    line('<', json ? shape(json, false) : `${type}(${body?.length ?? 'not read'})`)
    line('*', [took, ...granted].join(', '))
    return response
  }
}
