// Reads an IP network in CIDR notation, and says whether an address is in it.
import { BlockList } from 'node:net';
import { ipVersion } from './ip-version.ts';

export interface IpNetwork {
  /** The network as it is written, such as `10.0.0.0/8` or `fd00::/8`. */
  readonly text: string;
  /** Returns whether `address` is in the network. An IPv4 address may be written as an IPv6 one (`::ffff:10.0.0.1`). */
  contains(address: string): boolean;
}

/** Returns the network that `text` names: an address, and the number of its bits that count. Undefined for another text. */
export function parseIpNetwork(text: string): IpNetwork | undefined {
  const [, address = '', bits] = /^([0-9A-Fa-f:.]{2,45})\/(\d{1,3})$/.exec(text) ?? [];
  const version = ipVersion(address);
  if (version === 0 || Number(bits) > (version === 4 ? 32 : 128)) return undefined;
  const list = new BlockList();
  list.addSubnet(address, Number(bits), version === 4 ? 'ipv4' : 'ipv6');
  return { text, contains: other => listHas(list, other) };
}

function listHas(list: BlockList, text: string): boolean {
  // A link-local address may name its interface: fe80::1%eth0.
  const address = text.replace(/%.*$/, '');
  const version = ipVersion(address);
  return version !== 0 && list.check(address, version === 4 ? 'ipv4' : 'ipv6');
}
