/**
 * Names whom a limit for each address is for: an IPv4 address, or the /64 of an IPv6 one, since who has one address of a
 * /64 has them all.
 *
 * @param address as `Socket.remoteAddress` gives it; that of a client that is gone is undefined.
 */
export function peerOf(address = ''): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '')
  if (!plain.includes(':')) return plain
  const [head = [], tail = []] = plain.split('::').map((part) => part.split(':'))
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => '0')
  return [...head, ...zeros, ...tail].slice(0, 4).join(':')
}
