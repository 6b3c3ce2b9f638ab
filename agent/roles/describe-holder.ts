// Who holds a folder, in the words of a refusal.

/** Names the process behind a role socket, from its status. */
export function describeHolder(status: unknown): string {
  const { pid, node } = (status ?? {}) as { pid?: unknown; node?: unknown };
  return `process ${Number(pid)}${typeof node === 'string' ? `, node ${node}` : ''}`;
}
