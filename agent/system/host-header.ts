// Reads the Host header of a call.

/**
 * Returns the host in a Host header, without port and brackets; empty for no host. A foreign web page can make its own name
 * resolve to this machine (DNS rebinding), but the header then still contains that name.
 */
export function hostOf(header: string | undefined): string {
  const [, bracketed, plain] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::\d{1,5})?$/i.exec(header ?? '') ?? [];
  return bracketed ?? plain ?? '';
}
