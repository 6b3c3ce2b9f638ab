// Answers what the commands of this machine ask the requester through its socket: how it is, and to hold writes for a backup.

import type { Requester } from '../requester/requester.ts';
import type { RequesterStatus } from '../requester/status/requester-status.ts';
import { heldKinds, type WriteHold } from '../requester/write-hold.ts';
import { MusterError, reasonOf } from '../system/errors.ts';

/** Answers one request. `requester` is undefined while it starts. @throws MusterError for a request that it refuses */
export async function answerCommand(
  request: unknown,
  requester: Pick<Requester, 'status'> | undefined,
  hold: Pick<WriteHold, 'begin' | 'end'>,
): Promise<RequesterStatus | { role: 'requester'; pid: number; state: 'starting' } | 'Ok'> {
  const { command, what } = (request ?? {}) as Record<string, unknown>;
  if (command === 'status')
    return requester?.status() ?? { role: 'requester', pid: process.pid, state: 'starting' };
  const kind = heldKinds.find(each => each === what);
  if (command === 'hold' && kind) {
    await hold.begin(kind);
    return 'Ok';
  }
  if (command === 'let-go' && kind) {
    hold.end(kind);
    return 'Ok';
  }
  throw new MusterError('usage', `unknown command: ${reasonOf(command).slice(0, 64)}`);
}
