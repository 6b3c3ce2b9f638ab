// `muster node prune` forgets the nodes that were not heard for a long time. Each may come back by itself, with its history.
import type { ShownNode } from '../../../api/answers.ts';
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { formatAs } from '../../../output/data.ts';
import { factsOf } from '../../../output/node-columns.ts';
import { note, outputWidth, print } from '../../../output/terminal.ts';
import { systemClock } from '../../../system/clock.ts';
import { MusterError } from '../../../system/errors.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { actor } from '../actor.ts';
import { select, selectionFlags } from './choose-nodes.ts';
import { decideAbout } from './decide-about.ts';
import type { Deed } from './deed.ts';
import { nodeTable } from './list-table.ts';
import { messageFlag } from './message-flag.ts';
import { commandFor } from './outcome-text.ts';

export const settings = apiSettings;

export const flags = {
  message: messageFlag,
  'dry-run': { help: 'only list the nodes that would be forgotten' },
  ...selectionFlags,
} satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster node prune --silent-for 30d --dry-run', 'list the nodes that were not heard for a month'],
  ['muster node prune --silent-for 30d', 'forget them, after a look'],
];

export async function run(argv: Argv<typeof flags>): Promise<number> {
  const { message = '', 'silent-for': silentForMs } = argv.flags;
  if (silentForMs === undefined) throw needsSilence();
  const deed: Omit<Deed, 'act'> = {
    path: 'node prune',
    asks: { Action: 'forget' },
    verb: 'forget',
    done: 'forgotten',
    flags,
    leaveOut,
    takenBackBy: targets => ({ path: 'node undelete', ids: targets.map(({ id }) => id) }),
    retriedBy: commandFor({ path: 'node prune', flags }, argv.given, ['output'], []),
  };
  if (argv.flags['dry-run']) return dryRun(argv, deed);
  return decideAbout(argv, api => ({
    ...deed,
    act: async ({ id, node }, operation) => {
      const body = {
        Action: 'forget',
        Message: message,
        Actor: actor(),
        SilentForSeconds: Math.floor(silentForMs / 1000),
      } as const;
      await api.decide(id, body, { operation, node });
    },
  }));
}

// The requester refuses these too.
function leaveOut({ Membership, Muster }: ShownNode): string | undefined {
  if (Membership === 'REJECTED') return 'rejected, so only node delete removes it';
  return Muster?.Health === 'HEALTHY' ? 'healthy' : undefined;
}

async function dryRun(argv: Argv<typeof flags>, deed: Omit<Deed, 'act'>): Promise<number> {
  const { chosen, leftOut } = await select(argv, deed, await requesterApi(argv.load));
  const { output } = argv.flags;
  if (output !== 'text') {
    for (const text of leftOut) note(text);
    print(await formatAs(output, chosen, () => ''));
    return 0;
  }
  const look = { isWide: false, hasHeader: true, total: outputWidth() };
  const table = nodeTable(factsOf(chosen, systemClock.now()), look);
  for (const node of chosen) print(table.add(node));
  print(table.end());
  for (const text of leftOut) note(text);
  note(`${chosen.length} would be forgotten. Nothing was done.`);
  return 0;
}

const needsSilence = (): MusterError =>
  new MusterError('usage', 'node prune needs --silent-for, the time for which a node was not heard', {
    hint: 'for example: muster node prune --silent-for 30d --dry-run',
  });
