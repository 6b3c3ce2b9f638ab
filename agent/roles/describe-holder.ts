// Describes the process that holds a folder, for the error of a second process.

/** Returns the process and the node of a role, from the status that its socket returned. */
export function describeHolder(status: unknown): string {
  const { pid, node } = (status ?? {}) as { pid?: unknown; node?: unknown };
  return `process ${Number(pid)}${typeof node === 'string' ? `, node ${node}` : ''}`;
}
