// Brings what the chart repeats up to date: the settings in values.schema.json, the table of values in README.md, and the
// copies of the alert rules and the dashboard. `--check` changes nothing and fails when something is stale.
import { readFile, writeFile } from 'node:fs/promises'
import { build } from 'esbuild'
import { isMap, isScalar, parseDocument } from 'yaml'

const root = new URL('..', import.meta.url)
const chart = new URL('helm/isales-auth-proxy/', root)
const read = (path, base = chart) => readFile(new URL(path, base), 'utf8')

/** The settings of the program, from its source. */
async function settings() {
  const { outputFiles } = await build({
    entryPoints: [new URL('src/config/settings.ts', root).pathname],
    bundle: true,
    format: 'esm',
    platform: 'node',
    write: false,
  })
  const source = Buffer.from(outputFiles[0].contents).toString('base64')
  const { SETTING_LIST } = await import(`data:text/javascript;base64,${source}`)
  return SETTING_LIST
}

/** What YAML may hold for a setting. */
function schemaOf({ name, type, choices }) {
  // A password in a proxy's address would be in the manifest for all to read: `extraEnv` can take it from a Secret.
  if (name === 'HTTPS_PROXY') return { type: 'string', pattern: '^[^@]*$' }
  if (name === 'SESSION_STORE_URL')
    return { type: 'string', pattern: '^[^@/]+://([^:@/]*@)?[^@]*$' }
  if (type === 'boolean') return { enum: [true, false, 'true', 'false'] }
  if (choices !== undefined) return { enum: [...choices] }
  // YAML reads 0660 as the number 432.
  if (type === 'octal mode') return { type: 'string', pattern: '^0?[0-7]{3}$' }
  // `1h30m` would pass for a text and break the arithmetic of the templates.
  if (type === 'duration')
    return { type: ['number', 'string'], pattern: '^[0-9]+(\\.[0-9]+)?(ms|s|m|h)?$' }
  if (/^(count|ratio|size)$|share/.test(type)) return { type: ['number', 'string'] }
  return { type: 'string' }
}

/** Each setting by the name of its variable; secrets only as the name of a file. */
function settingProperties(list) {
  const properties = {}
  for (const setting of list) {
    const { name, fileName, doc: description, type } = setting
    if (type !== 'secret') properties[name] = { ...schemaOf(setting), description }
    if (fileName !== undefined) {
      properties[fileName] = { type: 'string', description: `A file with it. ${description}` }
    }
  }
  return properties
}

/** The rows of the table of values: each key whose comment begins with `# --`. */
function rowsOf(map, path = []) {
  return map.items.flatMap((pair, index) => {
    // The comment before the first key of a map hangs on the map.
    const comment =
      pair.key.commentBefore ?? (index === 0 && path.length > 0 ? map.commentBefore : '')
    const [, text] = /(?:^|\n) -- ([\s\S]*)$/.exec(comment ?? '') ?? []
    const name = [...path, pair.key.value]
    if (text !== undefined) return [{ name: name.join('.'), value: pair.value, text }]
    if (isMap(pair.value)) return rowsOf(pair.value, name)
    throw new Error(`values.yaml says nothing about ${name.join('.')}`)
  })
}

function tableOf(values) {
  const { contents, commentBefore } = parseDocument(values)
  // The comment of the first key of all hangs on the document, after the heading.
  if (contents.items[0].key.commentBefore === undefined)
    contents.items[0].key.commentBefore = commentBefore
  const lines = rowsOf(contents).map(({ name, value, text }) => {
    const json = JSON.stringify(isScalar(value) ? value.value : value.toJSON())
    return `| \`${name}\` | \`${json.replaceAll('|', '\\|')}\` | ${text.replaceAll(/\s+/g, ' ').trim()} |`
  })
  return ['| value | default | what it does |', '| --- | --- | --- |', ...lines].join('\n')
}

const between = /(<!-- values -->\n)[\s\S]*(<!-- \/values -->)/
const schema = JSON.parse(await read('values.schema.json'))
schema.properties.settings.properties = settingProperties(await settings())
const table = tableOf(await read('values.yaml'))

const wanted = {
  'values.schema.json': `${JSON.stringify(schema, null, 2)}\n`,
  'README.md': (await read('README.md')).replace(
    between,
    (_, from, to) => from + table + '\n' + to,
  ),
  'files/alerts.yaml': await read('config/prometheus/alerts.yaml', root),
  'files/isales-auth-proxy.json': await read('config/grafana/isales-auth-proxy.json', root),
}
const check = process.argv.includes('--check')
for (const [file, text] of Object.entries(wanted)) {
  if ((await read(file).catch(() => '')) === text) continue
  if (!check) await writeFile(new URL(file, chart), text)
  process.stderr.write(
    `helm/isales-auth-proxy/${file} ${check ? 'is stale: npm run chart' : 'written'}\n`,
  )
  if (check) process.exitCode = 1
}
