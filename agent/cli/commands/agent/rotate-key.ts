// `muster agent rotate-key` exchanges the key of this machine's node for a new one, which the old key approves.
import type { RotationProgress } from '../../../compute/registration/key-rotation.ts';
import { runtimeFolder, searchedFolders } from '../../../config/paths.ts';
import { note, print } from '../../../output/terminal.ts';
import { type Clock, sleep, systemClock } from '../../../system/clock.ts';
import { MusterError } from '../../../system/errors.ts';
import { printable } from '../../../system/printable.ts';
import { askHolder } from '../../../system/role-socket.ts';
import type { Argv, Example } from '../../line/command.ts';

export const settings = ['dataDir'] as const;

export const examples: readonly Example[] = [
  ['muster agent rotate-key', 'when somebody may have read the key of this node'],
  ['muster agent rotate-key --data-dir /srv/muster', 'for an agent whose state is in another folder'],
];

/** Time that the command waits for the new key, and between two questions to the agent, in milliseconds. */
const timeoutMs = 30_000;
const pollMs = 200;

/**
 * Asks the agent to exchange its key, and waits until the requester knows the new one. @throws MusterError `unreachable`
 * when no agent runs here, or when the requester does not answer in time; `failed` when it refuses the new key.
 */
export async function run(argv: Argv): Promise<number> {
  const folders = await searchedFolders((await argv.load({ skipUnreadable: true })).settings);
  for (const data of folders) {
    const folder = runtimeFolder(data, 'agent');
    const ask = async (command: string) =>
      (await askHolder(folder, { command })) as RotationProgress | undefined;
    const first = await ask('rotate-key');
    if (first === undefined) continue;
    const { before, fingerprint } = await untilDone(first, () => ask('rotation'), systemClock);
    print('Ok\n');
    note(printable(`The node has the key ${fingerprint} now. The old one, ${before}, is void.`, 256));
    return 0;
  }
  throw new MusterError('unreachable', `no agent runs here (looked in ${folders.join(' and ')})`, {
    hint: 'start it: only a running agent can show the requester that it has the old key',
  });
}

/** Resolves when the key was exchanged. @throws MusterError as `run` */
export async function untilDone(
  first: RotationProgress,
  ask: () => Promise<RotationProgress | undefined>,
  clock: Clock,
): Promise<Extract<RotationProgress, { kind: 'done' }>> {
  const deadline = clock.monotonic() + timeoutMs;
  for (let progress: RotationProgress | undefined = first; ; progress = await ask()) {
    if (progress?.kind === 'done') return progress;
    if (progress?.kind === 'refused') {
      const reason = printable(progress.reason, 1_024);
      throw new MusterError('failed', `the requester refuses the new key: ${reason}`, {
        hint: 'the node keeps the key that it has',
      });
    }
    if (progress?.kind !== 'asking')
      throw unknownOutcome('the agent was stopped before the requester answered');
    if (clock.monotonic() >= deadline) throw unknownOutcome('the requester has not answered yet');
    await sleep(clock, pollMs);
  }
}

const unknownOutcome = (text: string): MusterError =>
  new MusterError('unreachable', `the key may be exchanged or not: ${text}`, {
    hint: 'the agent finds out by itself, also after a restart; see muster status for the fingerprint',
  });
