/** Env files, and the variables that systemd 257 reads from them; test/deploy/systemd.test.ts compares. */
export const ENV_FILES: readonly (readonly [
  string | Uint8Array,
  Readonly<Record<string, string>>,
])[] = [
  ['# comment\n; comment\n  # more\nA=1', { A: '1' }],
  ['# a comment ends \\\nA=1', { A: '1' }],
  ['1A=1\nA-B=1\nno assignment\nB=2', { B: '2' }],
  ['A="two words"', { A: 'two words' }],
  ['A="a\\"b\\\\c\\$d\\`e\\n"', { A: 'a"b\\c$d`e\\n' }],
  ['A="one\ntwo"\nB=2', { A: 'one\ntwo', B: '2' }],
  ['A="one" \'two\' three', { A: 'onetwothree' }],
  ['A="never closed\nB=2', { A: 'never closed\nB=2' }],
  ['INSTANCE=site # one', { INSTANCE: 'site # one' }],
  ['A="one" # two', { A: 'one# two' }],
  ['export A="1\nB=2"\nC=3', { C: '3' }],
  ['export=1\na=2\nA = 3\n=4\nA B=5', { export: '1', a: '2', A: '3' }],
  ['A=1\\\n# no comment\nB=2', { A: '1# no comment', B: '2' }],
  ["A='1\\\n2'\nB='it\\'s", { A: '1\\\n2', B: 'it\\s' }],
  ['A=\\$a\\n\\"', { A: '$an"' }],
  ['A=\n\nB=""\nC=\'\'', { A: '', B: '', C: '' }],
  ['A=1\\\r\n2\r\nB="3\r\n4"\r\n', { A: '1', B: '3\r\n4' }],
  ['\uFEFFA=1\nB=2', { B: '2' }],
  // GBK in a comment and in a value, and UTF-16.
  [Buffer.from('# \xD6\xD0\nA=1', 'latin1'), { A: '1' }],
  [Buffer.from('A=\xD6\xD0\nB=2', 'latin1'), {}],
  [Buffer.from('\uFEFFA=1\nB=2', 'utf16le'), {}],
]
