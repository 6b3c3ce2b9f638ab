// `muster agent join` gives this machine a join code, and can wait until the node may take part.
import type { AgentStatus } from '../../../compute/agent-status.ts';
import { systemEnvironment } from '../../../config/environment.ts';
import { duration, path } from '../../../config/kind.ts';
import { dataFolder, searchedFolders } from '../../../config/paths.ts';
import { note, print } from '../../../output/terminal.ts';
import { giveCode, runningAgent } from '../../../roles/give-code.ts';
import { systemClock } from '../../../system/clock.ts';
import { printable } from '../../../system/printable.ts';
import { askHolder } from '../../../system/role-socket.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { askCode, refuseCodeArgument, refuseOtherLogin } from './ask-code.ts';
import { waitForApproval } from './wait-for-approval.ts';

export const settings = ['dataDir', 'join.codeFile'] as const;

/** Only words that must not be there, such as the code itself. */
export const rest = {};

export const flags = {
  'code-file': { value: 'FILE', kind: path, help: 'read the code from this file instead of asking for it' },
  move: { help: 'leave the cluster that this node is in, if the code is for another one' },
  wait: { help: 'wait until the node is approved; exit code 1 when it is rejected or refused' },
  timeout: {
    value: 'TIME',
    kind: duration(1_000, 7 * 24 * 3_600_000),
    help: 'longest wait; without it, no limit',
  },
} as const satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster agent join', 'give this machine a code; it asks for it'],
  ['muster agent join --code-file /run/code --wait --timeout 10m', 'in a script, until the node is approved'],
];

export async function run({ load, flags: given, rest: words }: Argv<typeof flags>): Promise<number> {
  refuseCodeArgument(words);
  const { settings: loaded } = await load({ skipUnreadable: true, role: 'agent' });
  refuseOtherLogin(loaded.nats);
  const { line, code } = await askCode({
    file: given['code-file'],
    join: loaded.join,
    input: process.stdin,
    ask: question => process.stderr.write(question),
    now: systemClock.now(),
  });
  const searched = await searchedFolders(loaded);
  const folder = await giveCode(searched, await dataFolder(loaded), { line, code, move: given.move });
  if (folder !== undefined) note('The agent that runs here took the code.');
  else {
    note('The code is stored. No agent runs here; one of these starts it:');
    note(`  muster service install --role agent${systemEnvironment.root ? '' : ' --user'}`);
    note('  muster agent');
  }
  if (!given.wait) {
    if (folder !== undefined) note('To see what becomes of it: muster status');
    print('Ok\n');
    return 0;
  }
  const ask = async () => {
    const where = folder ?? (await runningAgent(searched));
    return where === undefined
      ? undefined
      : ((await askHolder(where, { command: 'status' })) as AgentStatus | undefined);
  };
  await waitForApproval({
    ask,
    cluster: code.cluster,
    clock: systemClock,
    timeoutMs: given.timeout,
    tell: text => note(printable(text, 1024)),
  });
  print('Ok\n');
  return 0;
}
