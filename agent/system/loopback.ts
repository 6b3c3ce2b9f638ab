// Says which names and addresses mean this machine alone, so that nothing that is sent there leaves it.
import { isIPv4 } from 'node:net';

/** Returns whether `host`, without brackets, is a name or address of the loopback: `localhost`, 127.0.0.0/8 or `::1`. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  return name === 'localhost' || name === '::1' || (isIPv4(name) && name.startsWith('127.'));
}
