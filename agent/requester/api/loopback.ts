// Says which names and addresses mean this machine. The API accepts no others until it can authenticate callers.
import { isIPv4 } from 'node:net';

/** Returns whether `host`, without brackets, is a name or address of the loopback: `localhost`, 127.0.0.0/8 or `::1`. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  return name === 'localhost' || name === '::1' || (isIPv4(name) && name.startsWith('127.'));
}

/**
 * Returns whether a Host header names the loopback. A foreign web page can make its own name resolve to 127.0.0.1 (DNS
 * rebinding), but the header then still contains that name.
 */
export function namesLoopback(header: string | undefined): boolean {
  const [, bracketed, plain] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::\d{1,5})?$/i.exec(header ?? '') ?? [];
  return isLoopback(bracketed ?? plain ?? '');
}
