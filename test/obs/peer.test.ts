import { expect, test } from 'vitest'
import { peerOf } from '../../src/obs/peer.ts'

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8:1:2::6', '2001:db8:1:2'],
  ['2001:db8::6', '2001:db8:0:0'],
  ['2001:db8:0:1::', '2001:db8:0:1'],
  ['2001::2:3:4:5:6', '2001:0:0:2'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
  [undefined, ''],
])('the peer behind %s is %s', (address, peer) => {
  expect(peerOf(address)).toBe(peer)
})
