// Chooses the address of this machine that its information carries, so that other programs of the cluster's network find it.
import { isIPv4 } from 'node:net';
import { isHostAddress } from '../protocol/host-address.ts';
import { parseIpNetwork } from '../system/ip-network.ts';
import { ipVersion } from '../system/ip-version.ts';
import { isLoopback } from '../system/loopback.ts';
import { type Interfaces, virtualInterface } from '../system/virtual-networks.ts';

/** The address of a node, or why it has none. */
export interface ChosenAddress {
  /** An IP address without brackets and zone; undefined when none may be shown. */
  readonly ip: string | undefined;
  /** Why it is this one, or why there is none: the end of a sentence. */
  readonly why: string;
}

export interface AddressSources {
  /** The setting `node.address`: an address, a network, or the name of an interface; undefined when it is not set. */
  readonly wanted: string | undefined;
  /** The address of this machine from which it reaches its broker; undefined while there is no connection. */
  readonly local: string | undefined;
  /** The hosts that the broker names to its clients. */
  readonly brokerHosts: readonly string[];
  readonly interfaces: Interfaces;
}

interface Candidate {
  readonly ip: string;
  readonly name: string;
}

const linkLocal = ['169.254.0.0/16', 'fe80::/10'].map(parseIpNetwork);

/**
 * Returns the address that this machine shows to others. Without a wish it is the one from which the broker is reached: that
 * network has all nodes. The loopback is shown only when the whole cluster is on it, and the network of own containers never.
 */
export function chooseAddress(sources: AddressSources): ChosenAddress {
  const all = candidates(sources.interfaces);
  const local = plainAddress(sources.local ?? '');
  if (sources.wanted !== undefined) return wantedAddress(sources.wanted, all, local);
  const usable = all.filter(isUsable);
  const own = all.find(({ ip }) => ip === local);
  if (own && isUsable(own)) return { ip: own.ip, why: `the broker is reached from it, by ${own.name}` };
  // Some networks give an interface an address that the system does not list.
  if (local && !own && !isLoopback(local) && !isLinkLocal(local))
    return { ip: local, why: 'the broker is reached from it' };
  if (local && isLoopback(local) && !sources.brokerHosts.some(host => !isLoopback(host)))
    return { ip: local, why: 'the broker is on the loopback of this machine, and so is whoever uses it' };
  const [first] = usable;
  if (first) return { ip: first.ip, why: firstText(first, usable, local) };
  const last = all.find(({ ip, name }) => isIPv4(ip) && isLinkLocal(ip) && !virtualInterface.test(name));
  if (last) return { ip: last.ip, why: `${last.name} has no better one` };
  return { ip: undefined, why: 'this machine has no address that other machines can use' };
}

function wantedAddress(wanted: string, all: readonly Candidate[], local: string): ChosenAddress {
  if (isHostAddress(wanted, ipVersion(wanted))) return { ip: wanted, why: 'node.address says so' };
  if (ipVersion(wanted) !== 0)
    return { ip: undefined, why: `node.address: no machine has the address ${wanted}` };
  const network = parseIpNetwork(wanted);
  const found = all.filter(({ ip, name }) => (network ? network.contains(ip) : name === wanted));
  // One interface may have a link-local address besides the one that others use.
  const best =
    found.find(({ ip }) => ip === local) ?? found.find(({ ip }) => !isLinkLocal(ip)) ?? found.find(isShown);
  if (best) return { ip: best.ip, why: `node.address is ${wanted}${network ? `, on ${best.name}` : ''}` };
  const missing = network ? `no interface has an address in ${wanted}` : `${wanted} has no address`;
  return { ip: undefined, why: `node.address: ${missing}` };
}

function firstText(first: Candidate, usable: readonly Candidate[], local: string): string {
  const why = local ? `the broker is reached from ${local}, which others cannot use` : 'no broker is reached';
  const others = usable.slice(1, 4).map(({ ip, name }) => `${ip} of ${name}`);
  const chosen = `the ${others.length > 0 ? 'first' : 'only'} one, of ${first.name}; ${why}`;
  return others.length > 0 ? `${chosen}; to choose ${others.join(' or ')}, set node.address` : chosen;
}

/** Returns the addresses of all interfaces in the order of the system, IPv4 first. */
function candidates(interfaces: Interfaces): Candidate[] {
  const all = Object.entries(interfaces).flatMap(([name, list = []]) =>
    list.map(({ address, internal }) => ({ ip: plainAddress(address), name, internal })),
  );
  const outside = all.filter(({ ip, internal }) => !internal && ip !== '');
  return [...outside.filter(({ ip }) => isIPv4(ip)), ...outside.filter(({ ip }) => !isIPv4(ip))];
}

/** Returns an address without zone, and an IPv4 address in its own form; empty for what no machine has. */
function plainAddress(text: string): string {
  const plain = text.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '');
  return isHostAddress(plain, ipVersion(plain)) ? plain : '';
}

const isLinkLocal = (ip: string): boolean => linkLocal.some(network => network?.contains(ip));
/** An IPv6 address that is link-local means nothing without a zone, which only this machine knows. */
const isShown = ({ ip }: Candidate): boolean => isIPv4(ip) || !isLinkLocal(ip);
const isUsable = ({ ip, name }: Candidate): boolean => !isLinkLocal(ip) && !virtualInterface.test(name);
