// Says under which names and addresses a requester is reached: what stands in its certificate, and what nodes are told.
import { isIP, isIPv6 } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { type Interfaces, virtualInterface } from '../../system/virtual-networks.ts';
import { plainAddress } from './address-bytes.ts';

/** The host name of this machine and its network interfaces, as `node:os` has them. */
export interface MachineNames {
  readonly hostname: string;
  readonly interfaces: Interfaces;
}

/** Asks the system how this machine is named now. */
export const machineNames = (): MachineNames => ({ hostname: hostname(), interfaces: networkInterfaces() });

/** Returns the host by which a client on this machine reaches a server that listens on `host`, without brackets. */
export function localAddress(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}

export interface NameSettings {
  /** The setting `broker.advertise`: `host` or `host:port`. */
  readonly advertise: readonly string[];
  /** The hosts on which the requester listens: of the broker, and of the API. */
  readonly hosts: readonly string[];
}

/** The most names in a certificate. A machine with many containers has an address for each network of them. */
const maxNames = 100;
/** The names by which clients on this machine reach the requester. */
const ownNames = ['localhost', '127.0.0.1', '::1'];

/** Returns the names of a server certificate, without doubles: host names, and IP addresses without brackets. */
export function certificateNames({ advertise, hosts }: NameSettings, machine: MachineNames): string[] {
  const others =
    advertise.length > 0
      ? advertise.map(each => splitAddress(each).host)
      : [...hostNames(machine), ...addressesOf(machine).map(({ address }) => address)];
  const all = [...ownNames, ...hosts.filter(host => !isEveryAddress(host)), ...others];
  return distinct(all.map(plainName)).slice(0, maxNames);
}

/**
 * Returns the hosts and ports that nodes are told, without doubles, the best one first. `listen` is the host and the port
 * of the broker.
 */
export function advertisedAddresses(
  advertise: readonly string[],
  listen: { host: string; port: number },
  machine: MachineNames,
): string[] {
  if (advertise.length > 0) {
    return distinct(
      advertise.map(each => {
        const { host, port = listen.port } = splitAddress(each);
        return joinAddress(plainName(host), port);
      }),
    );
  }
  return distinct(
    reachableHosts(listen.host, machine).map(host => joinAddress(plainName(host), listen.port)),
  );
}

function reachableHosts(host: string, machine: MachineNames): string[] {
  if (!isEveryAddress(host)) return [host];
  const addresses = addressesOf(machine).filter(
    ({ name, address }) => !virtualInterface.test(name) && (host === '::' || !isIPv6(address)),
  );
  return [...hostNames(machine), ...addresses.map(({ address }) => address)];
}

const isEveryAddress = (host: string): boolean => host === '0.0.0.0' || host === '::';

function hostNames({ hostname }: MachineNames): string[] {
  const usable = hostname.length <= 253 && /^[a-z0-9]([\w.-]*[a-z0-9])?$/i.test(hostname);
  return usable && isIP(hostname) === 0 ? [hostname] : [];
}

/** Returns the addresses that others may use, IPv4 first. An address of one link only (fe80::) needs a zone. */
function addressesOf({ interfaces }: MachineNames): { name: string; address: string }[] {
  const all = Object.entries(interfaces).flatMap(([name, list = []]) =>
    list.filter(({ internal }) => !internal).map(({ address }) => ({ name, address })),
  );
  const usable = all.filter(({ address }) => !/^fe[89ab]/i.test(address));
  return usable.sort((one, other) => Number(isIPv6(one.address)) - Number(isIPv6(other.address)));
}

/** Splits `host`, `host:port`, `[address]:port` and an IPv6 address without brackets. */
export function splitAddress(text: string): { host: string; port?: number } {
  if (isIPv6(text)) return { host: text };
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]*))(?::(\d+))?$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? text;
  return port === undefined ? { host } : { host, port: Number(port) };
}

const joinAddress = (host: string, port: number): string => `${isIPv6(host) ? `[${host}]` : host}:${port}`;

const plainName = (name: string): string => plainAddress(name).toLowerCase();

const distinct = (all: readonly string[]): string[] => [...new Set(all)];
