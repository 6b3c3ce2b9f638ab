// Says which IP addresses one machine can have that others send to.
import { BlockList, isIP } from 'node:net';

/** The addresses that no machine has: unspecified, broadcast and multicast. */
const noMachine = new BlockList();
noMachine.addSubnet('0.0.0.0', 8, 'ipv4');
noMachine.addSubnet('224.0.0.0', 3, 'ipv4');
noMachine.addAddress('::', 'ipv6');
noMachine.addSubnet('ff00::', 8, 'ipv6');

/**
 * Returns whether `text` is an IP address that a machine can have. A zone is refused, because only its machine knows it.
 * @param version the kind of address that `text` is, if the caller knows it.
 */
export function isHostAddress(text: string, version = isIP(text)): boolean {
  return version !== 0 && !text.includes('%') && !noMachine.check(text, version === 4 ? 'ipv4' : 'ipv6');
}
