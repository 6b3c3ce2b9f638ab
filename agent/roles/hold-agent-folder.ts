// Holds the folder of an agent. It waits for the folder while a command writes a join code there.
import { type Clock, sleep } from '../system/clock.ts';
import { holdFolder, type RoleSocket } from '../system/role-socket.ts';
import type { RoleHandler } from '../system/socket-request.ts';

/** The state in the status of a command that holds the folder while it writes a join code there. */
export const joiningState = 'joining';

/** Time between two attempts, in milliseconds, and their number. A command holds the folder only while it writes a file. */
const retryMs = 100;
const maxAttempts = 50;

/** Does what `holdFolder` does, and throws what it throws, but waits for at most 5 s until `muster agent join` has ended. */
export async function holdAgentFolder(
  folder: string,
  handler: RoleHandler,
  describe: (status: unknown) => string,
  clock: Clock,
): Promise<RoleSocket> {
  for (let attempt = 1; ; attempt++) {
    let isJoining = false;
    try {
      return await holdFolder(folder, handler, status => {
        isJoining = (status as { state?: unknown } | undefined)?.state === joiningState;
        return describe(status);
      });
    } catch (error) {
      if (!isJoining || attempt === maxAttempts) throw error;
      await sleep(clock, retryMs);
    }
  }
}
