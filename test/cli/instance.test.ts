import { expect, it } from 'vitest'
import { instanceEnvironment, parseEnvironmentFile } from '../../src/cli/instance.ts'
import { disk } from '../config/stand.ts'
import { runHere } from './stand.ts'

const files = disk({
  '/etc/isales-auth-proxy@north/env': 'ADMIN_LISTEN=:9091\nISALES_USER_FILE=/run/user\n',
})

it('--instance takes the settings of a service of that name, and its env file wins', () => {
  expect(instanceEnvironment('north', { PATH: '/bin', ADMIN_LISTEN: ':1' }, files)).toEqual({
    PATH: '/bin',
    ADMIN_LISTEN: ':9091',
    ISALES_USER_FILE: '/run/user',
    ISALES_PASSWORD_FILE: '/etc/isales-auth-proxy@north/password',
    STATE_DIR: '/var/lib/isales-auth-proxy@north',
  })
})

it('--instance - takes those of the service without a name', () => {
  const plain = disk({ '/etc/isales-auth-proxy/env': 'ADMIN_LISTEN=:9090\n' })
  expect(instanceEnvironment('-', {}, plain)).toEqual({
    ADMIN_LISTEN: ':9090',
    ISALES_USER_FILE: '/etc/isales-auth-proxy/user',
    ISALES_PASSWORD_FILE: '/etc/isales-auth-proxy/password',
    STATE_DIR: '/var/lib/isales-auth-proxy',
  })
})

it.each([
  [['--instance'], /^--instance is the name of a service/],
  [['--instance=../north', 'status'], /^--instance is the name of a service/],
  [
    ['--instance=nowhere', 'status'],
    /^\/etc\/isales-auth-proxy@nowhere\/env cannot be read: .* `?\(?`ls -d/,
  ],
  [['--instance', 'nowhere', 'status'], /^\/etc\/isales-auth-proxy@nowhere\/env cannot be read/],
])('%j ends with 2, and says why', async (argv, said) => {
  expect(await runHere(argv)).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(said) })
})

// Each line was given to `systemd-run -p EnvironmentFile=` of systemd 257.
it.each<readonly [string, Readonly<Record<string, string>>]>([
  ['A=plain', { A: 'plain' }],
  ['A=', { A: '' }],
  ['  A = spaced  ', { A: 'spaced' }],
  ['A=cti#1', { A: 'cti#1' }],
  ['A=site # one', { A: 'site # one' }],
  ['# comment\n; comment\n  # more\nA=1', { A: '1' }],
  ['# a comment ends \\\nA=1', { A: '1' }],
  ['export A=1\nB=2', { B: '2' }],
  ['1A=1\nA-B=1\nno assignment\nB=2', { B: '2' }],
  ['A="two words"', { A: 'two words' }],
  ["A='it\\s'", { A: 'it\\s' }],
  ['A="a\\"b\\\\c\\$d\\`e\\n"', { A: 'a"b\\c$d`e\\n' }],
  ['A="one\ntwo"\nB=2', { A: 'one\ntwo', B: '2' }],
  ['A="one\\\ntwo"', { A: 'onetwo' }],
  ['A=one\\\ntwo', { A: 'onetwo' }],
  ['A=a\\ \nB=b\\\\c', { A: 'a ', B: 'b\\c' }],
  ['A="one"two', { A: 'onetwo' }],
  ['A="one" \'two\' three', { A: 'onetwothree' }],
  ['A=it"s', { A: 'it"s' }],
  ['A="never closed\nB=2', { A: 'never closed\nB=2' }],
  ['A=1\r\nB=2\r\n', { A: '1', B: '2' }],
  ['A=1\nA=2', { A: '2' }],
  ['A=$B', { A: '$B' }],
])('an env file is read as systemd reads it: %j', (text, environment) => {
  expect(parseEnvironmentFile(text)).toEqual(environment)
})
