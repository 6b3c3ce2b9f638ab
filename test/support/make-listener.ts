// Makes a listener of a cluster by the command, as an operator does.
import assert from 'node:assert/strict';
import type { CreatedListener } from '../../agent/protocol/http-listeners.ts';
import type { Cluster } from './cluster.ts';

/** Returns what the command prints for the program of the listener. `flags` are further ones of the command. */
export async function makeListener(
  cluster: Cluster,
  name: string,
  ...flags: readonly string[]
): Promise<CreatedListener> {
  const { code, stdout, stderr } = await cluster.command('listener', 'create', name, '-o', 'json', ...flags);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}
