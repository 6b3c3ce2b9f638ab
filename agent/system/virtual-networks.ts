// The networks of this machine that lead to its own containers and virtual machines, and to no other machine. Other machines may
// have networks with the same addresses.
import { BlockList } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';
import { ipVersion } from './ip-version.ts';

/** The network interfaces of a machine, as `node:os` has them. */
export type Interfaces = NodeJS.Dict<NetworkInterfaceInfo[]>;

/** Matches the name of an interface that leads to containers and virtual machines of this machine. */
export const virtualInterface = /^(docker|br-|veth|virbr|cni|flannel|cali|lxc|lxdbr|podman|vmnet|bridge\d)/;

/** Returns whether `host` is an IP address, without brackets, on such a network. */
export function isOnVirtualNetwork(host: string, interfaces: Interfaces): boolean {
  const version = ipVersion(host);
  if (version === 0) return false;
  const networks = new BlockList();
  for (const [name, list = []] of Object.entries(interfaces)) {
    if (!virtualInterface.test(name)) continue;
    for (const { cidr, family } of list) {
      const [network, prefix] = cidr?.split('/') ?? [];
      if (network && prefix) networks.addSubnet(network, Number(prefix), family === 'IPv6' ? 'ipv6' : 'ipv4');
    }
  }
  return networks.check(host, version === 6 ? 'ipv6' : 'ipv4');
}
