// Answers what the commands of this machine ask the requester through its socket: how it is.
import type { Requester } from '../requester/requester.ts';
import type { RequesterStatus } from '../requester/status/requester-status.ts';
import { MusterError, reasonOf } from '../system/errors.ts';

/** Answers one request. `requester` is undefined while it starts. @throws MusterError for a request that it refuses */
export function answerCommand(
  request: unknown,
  requester: Pick<Requester, 'status'> | undefined,
): RequesterStatus | { role: 'requester'; pid: number; state: 'starting' } {
  const { command } = (request ?? {}) as Record<string, unknown>;
  if (command === 'status')
    return requester?.status() ?? { role: 'requester', pid: process.pid, state: 'starting' };
  throw new MusterError('usage', `unknown command: ${reasonOf(command).slice(0, 64)}`);
}
