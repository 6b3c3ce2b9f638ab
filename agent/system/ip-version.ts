// Says whether a text is an IP address. `isIP` of Node compiles a regular expression for IPv6 when it is first called, which
// takes 5 ms of CPU: a fifth of what Node itself needs to start.
import { isIPv4, SocketAddress } from 'node:net';

/** Returns 4 or 6 for an IP address, which may have a zone if it is IPv6, and 0 for any other text: the same as `isIP` of Node. */
export function ipVersion(text: string): 0 | 4 | 6 {
  if (isIPv4(text)) return 4;
  // Text without a colon is what is asked most often, and an exception costs more than this.
  if (!text.includes(':')) return 0;
  const [, address = ''] = /^([0-9A-Fa-f:.]{2,45})(%[0-9A-Za-z.:-]+)?$/.exec(text) ?? [];
  if (address === '') return 0;
  return isIpv6(address) ? 6 : 0;
}

function isIpv6(address: string): boolean {
  try {
    return new SocketAddress({ address, family: 'ipv6' }).family === 'ipv6';
  } catch {
    return false;
  }
}
