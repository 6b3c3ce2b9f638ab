// Turns an IP address into its bytes, and into the one text that everybody writes for it.
import { isIPv6 } from 'node:net';

/** Returns the 4 or 16 bytes of an IP address without a zone. */
export function addressBytes(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail] = plainAddress(address).split('::');
  const groups = (text: string | undefined) =>
    text ? text.split(':').map(group => Number.parseInt(group, 16)) : [];
  const [before, after] = [groups(head), groups(tail)];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0);
  return Buffer.from([...before, ...zeros, ...after].flatMap(group => [group >> 8, group & 255]));
}

/** Returns the shortest text of an IPv6 address, without a zone, in lower case; an IPv4 address as it is. */
export function plainAddress(address: string): string {
  if (!isIPv6(address)) return address;
  return new URL(`http://[${address.replace(/%.*$/, '')}]`).hostname.slice(1, -1);
}
