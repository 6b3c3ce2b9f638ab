// Says whether a Host header names this machine.
import { isLoopback } from '../../system/loopback.ts';

/**
 * Returns whether a Host header names the loopback. A foreign web page can make its own name resolve to 127.0.0.1 (DNS
 * rebinding), but the header then still contains that name.
 */
export function namesLoopback(header: string | undefined): boolean {
  const [, bracketed, plain] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::\d{1,5})?$/i.exec(header ?? '') ?? [];
  return isLoopback(bracketed ?? plain ?? '');
}
