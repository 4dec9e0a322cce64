// Builds the .deb and the .rpm of a release. Both contain the program, its units and a man page, and require Node on
// the machine.
import { execFileSync, spawnSync } from 'node:child_process'
import { chmod, cp, mkdir, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

const NAME = 'isales-auth-proxy'
const SUMMARY = 'Keeps the CC-iSales token fresh for CTI-OBS'
const DESCRIPTION = `A sidecar for call centres: it logs in to CC-iSales, renews the token before it
ends, and puts it on every request of CTI-OBS.`
const NODE = '20.19.2'
const SYSTEMD = '250'

/** Restarts running instances; systemd keeps the ports open meanwhile. */
const RESTART = `systemctl daemon-reload
  systemctl try-restart ${NAME}.service '${NAME}@*.service'`
const STOP = `systemctl disable --now ${NAME}.socket ${NAME}.service
  systemctl stop '${NAME}-credentials*.path' '${NAME}@*.socket' '${NAME}@*.service'`
/** Files of the package and its instances, including files that an administrator created by docs/vm.md. */
const PURGE = `rm -rf ${['/etc', '/var/lib/private', '/var/lib', '/run']
  .flatMap((directory) => [`${directory}/${NAME}`, `${directory}/${NAME}@*`])
  .join(' ')} \\
  /etc/systemd/system/${NAME}*.d /etc/systemd/system/*.wants/${NAME}*`
/** The units are removed, so systemd must forget their last results. */
const FORGET = `systemctl daemon-reload
  systemctl reset-failed '${NAME}*'`
const whenBooted = (commands) => `if [ -d /run/systemd/system ]; then\n  ${commands}\nfi`

/**
 * Writes both packages into `out`. The same files and date give the same bytes. A package whose tool is missing is
 * skipped: ask `missingTools` first.
 *
 * @param {{ readonly root: string, readonly scratch: string, readonly out: string, readonly version: string, readonly
 * date: Date }} options
 *   `root`: a checkout with `dist/`. `scratch`: a directory that is recreated.
 */
export async function buildPackages({ root, scratch, out, version, date }) {
  const seconds = String(date.getTime() / 1000)
  const env = { ...process.env, SOURCE_DATE_EPOCH: seconds, TZ: 'UTC' }
  const run = (command, args) =>
    execFileSync(command, args, { cwd: scratch, encoding: 'utf8', env })
  process.umask(0o022)
  await rm(scratch, { recursive: true, force: true })
  const files = join(scratch, 'files')
  await lay(root, files, { version, date })
  run('find', [files, '-exec', 'touch', '--no-dereference', `--date=@${seconds}`, '{}', '+'])
  const missing = missingTools()
  const parts = { scratch, files, out, version, run }
  if (!missing.includes('dpkg-deb')) await buildDeb(parts)
  if (!missing.includes('rpmbuild')) await buildRpm(parts)
}

/** Returns the packaging programs that this machine lacks. */
export function missingTools() {
  return ['dpkg-deb', 'rpmbuild'].filter((tool) => {
    const { error } = spawnSync(tool, ['--version'], { stdio: 'ignore' })
    return error !== undefined
  })
}

/** Lays out the files as they are installed. */
async function lay(root, files, { version, date }) {
  const library = join(files, 'usr/lib', NAME)
  const units = join(files, 'usr/lib/systemd/system')
  const docs = join(files, 'usr/share/doc', NAME)
  const manual = join(files, 'usr/share/man/man8')
  const settings = join(files, 'etc', NAME)
  for (const directory of [join(files, 'usr/bin'), units, docs, manual, settings])
    await mkdir(directory, { recursive: true })
  // Source maps are useless without the source.
  await cp(join(root, 'dist'), library, {
    recursive: true,
    filter: (name) => !name.endsWith('.map'),
  })
  await symlink(`../lib/${NAME}/main.js`, join(files, 'usr/bin', NAME))
  for (const name of await readdir(join(root, 'config/systemd'))) {
    const unit = await readFile(join(root, 'config/systemd', name), 'utf8')
    const moved = unit.replace(`/opt/${NAME}/dist`, `/usr/lib/${NAME}`)
    await writeFile(join(units, name), moved)
  }
  // Same files as in the archive, so that links work.
  const { files: packed } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  for (const name of ['README.md', 'README.zh-CN.md', ...packed.filter((each) => each !== 'dist')])
    await cp(join(root, name), join(docs, name), { recursive: true })
  await cp(join(root, 'LICENSE'), join(docs, 'copyright'))
  const page = gzipSync(manPage(join(library, 'main.js'), { version, date }), { level: 9 })
  await writeFile(join(manual, `${NAME}.8.gz`), page)
  await normalise(files)
}

/** Sets modes that do not depend on the builder's umask. */
async function normalise(directory) {
  await chmod(directory, 0o755)
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) await normalise(path)
    else if (entry.isFile()) await chmod(path, entry.name === 'main.js' ? 0o755 : 0o644)
  }
}

/** Builds the man page from the program's own help. */
function manPage(program, { version, date }) {
  const help = (...args) =>
    execFileSync(process.execPath, [program, ...args], { encoding: 'utf8' }).trimEnd()
  const overview = help('help')
  const [, usage = ''] = /^Usage: (.*)$/m.exec(overview) ?? []
  const [, list = ''] = /^Usage: .*\n\n((?: {2}.*\n)+)/m.exec(overview) ?? []
  const named = Array.from(list.matchAll(/^ {2}([a-z]+)/gm), ([, name]) => name)
  const commands = named.filter((name) => !['help', 'version'].includes(name))
  if (usage === '' || commands.length === 0) throw new Error('the help has another form')
  const literal = (text) => `.nf\n${roff(text)}\n.fi`
  return `.TH ISALES-AUTH-PROXY 8 ${date.toISOString().slice(0, 10)} ${version}
.SH NAME
${NAME} \\- ${roff(SUMMARY)}
.SH SYNOPSIS
${roff(usage)}
.SH DESCRIPTION
${literal(overview)}
.SH COMMANDS
${commands.map((name) => `.SS ${name}\n${literal(help('help', name))}`).join('\n')}
.SH FILES
.TP
.I /etc/${NAME}/env
${roff('Settings, one NAME=value a line.')}
.TP
.I /etc/${NAME}/user /etc/${NAME}/password
${roff('What the service logs in with. A change is used within 3 s.')}
.TP
.I /usr/share/doc/${NAME}/docs
${roff('vm.md: how to set it up. configuration.md: every setting. operations.md: what to do about an alert.')}
.SH SEE ALSO
.BR systemctl (1),
.BR systemd.exec (5)
`
}

/** Escapes lines that roff would read as requests, and hyphens at which it would break lines. */
function roff(text) {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(/^(?=[.'])/gm, '\\&')
}

async function buildDeb({ scratch, files, out, version, run }) {
  const tree = join(scratch, 'deb')
  await cp(files, tree, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
  const [kib] = run('du', ['--summarize', '--apparent-size', '--block-size=1024', tree]).split('\t')
  const control = join(tree, 'DEBIAN')
  await mkdir(control)
  const scripts = {
    postinst: `[ "$1" != configure ] || ${whenBooted(RESTART)}`,
    prerm: `[ "$1" != remove ] || ${whenBooted(STOP)}`,
    postrm: `[ "$1" != purge ] || ${PURGE}
${whenBooted(FORGET)}`,
  }
  for (const [name, text] of Object.entries(scripts))
    await writeFile(join(control, name), `#!/bin/sh\nset -e\n${text}\n`, { mode: 0o755 })
  await writeFile(
    join(control, 'control'),
    `Package: ${NAME}
Version: ${version}
Architecture: all
Maintainer: ${NAME} maintainers
Depends: nodejs (>= ${NODE}), systemd (>= ${SYSTEMD})
Installed-Size: ${kib}
Section: net
Priority: optional
Description: ${SUMMARY}
 ${DESCRIPTION.replaceAll('\n', '\n ')}
`,
  )
  const file = join(out, `${NAME}_${version}_all.deb`)
  run('dpkg-deb', ['--root-owner-group', '-Zxz', '--build', tree, file])
}

async function buildRpm({ scratch, files, out, version, run }) {
  const spec = join(scratch, `${NAME}.spec`)
  await writeFile(
    spec,
    `Name: ${NAME}
Version: ${version}
Release: 1
Summary: ${SUMMARY}
License: MIT
BuildArch: noarch
AutoReqProv: no
Requires: nodejs >= ${NODE}, systemd >= ${SYSTEMD}

%description
${DESCRIPTION}

%install
cp --archive ${files}/. %{buildroot}

%files
%dir /etc/${NAME}
/usr/bin/${NAME}
/usr/lib/${NAME}
/usr/lib/systemd/system/*
%doc /usr/share/doc/${NAME}
/usr/share/man/man8/${NAME}.8.gz

%post
${whenBooted(RESTART)}

%preun
[ "$1" -ne 0 ] || ${whenBooted(STOP)}

%postun
${whenBooted(FORGET)}
`,
  )
  const defines = {
    _topdir: join(scratch, 'rpm'),
    _rpmdir: out,
    _build_name_fmt: `${NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm`,
    _buildhost: 'reproducible',
    // A compression that every rpm reads, in one thread: the same bytes on every machine.
    _binary_payload: 'w9.gzdio',
    use_source_date_epoch_as_buildtime: '1',
    // Keeps the files exactly as laid out.
    __os_install_post: '%{nil}',
  }
  const flags = Object.entries(defines).flatMap(([name, value]) => ['--define', `${name} ${value}`])
  run('rpmbuild', ['--quiet', '-bb', ...flags, spec])
}
