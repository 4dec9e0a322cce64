type Variables = Readonly<Record<string, string>>

/** Env files, the variables that systemd 257 reads from them (test/deploy/systemd.test.ts compares), and ours if they differ. */
export const ENV_FILES: readonly (readonly [string, Variables, Variables?])[] = [
  ['# comment\n# more\nA=1', { A: '1' }],
  ['# a comment ends \\\nA=1', { A: '1' }],
  ['A="two words"\nB=two words', { A: 'two words', B: 'two words' }],
  ['A="one\ntwo"\nB=2', { A: 'one\ntwo', B: '2' }],
  ["A='1\\\n2'\nB='a\"b'", { A: '1\\\n2', B: 'a"b' }],
  ['a=2\nA = 3', { a: '2', A: '3' }],
  ['A=\n\nB=""\nC=\'\'', { A: '', B: '', C: '' }],
  ['A=a=b&c\r\nB=密码\r\n', { A: 'a=b&c', B: '密码' }],
  // A comment after a value.
  ['A=site # one\nB=1#2', { A: 'site # one', B: '1#2' }, { A: 'site', B: '1' }],
  // A backslash.
  ['A=\\$a\nB="b\\\\c"', { A: '$a', B: 'b\\c' }, { A: '\\$a', B: 'b\\\\c' }],
]
