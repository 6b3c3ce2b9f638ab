// Which names and addresses mean this machine: the API answers to no other until it can ask who calls.
import { isIPv4 } from 'node:net';

/** Is `host` (no brackets) a name or address of the loopback: `localhost`, 127.0.0.0/8 or `::1`? */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  return name === 'localhost' || name === '::1' || (isIPv4(name) && name.startsWith('127.'));
}

/**
 * Does a Host header name the loopback? A page that a browser loaded from elsewhere can make its own name resolve to
 * 127.0.0.1 (DNS rebinding); the header still carries that name.
 */
export function namesLoopback(header: string | undefined): boolean {
  const [, bracketed, plain] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::\d{1,5})?$/i.exec(header ?? '') ?? [];
  return isLoopback(bracketed ?? plain ?? '');
}
