// `muster node drain` keeps new work away from nodes, and awaits the end of what runs there.
import type { ShownNode } from '../../../api/answers.ts';
import { type ApiClient, apiSettings, requesterApi } from '../../../api/client.ts';
import { followEvents } from '../../../api/event-feed.ts';
import { note, print } from '../../../output/terminal.ts';
import { closeWhenInterrupted } from '../../../roles/interruption.ts';
import { systemClock } from '../../../system/clock.ts';
import { MusterError } from '../../../system/errors.ts';
import { printable } from '../../../system/printable.ts';
import { systemRandom } from '../../../system/random.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { actor } from '../actor.ts';
import { chosenIds, selectionFlags } from './choose-nodes.ts';
import { cordonFlags, cordonTime, endNewCordons, wishOf } from './cordon-flags.ts';
import { decideAbout } from './decide-about.ts';
import { findNewId } from './find-node.ts';
import { waitUntilDrained } from './wait-until-drained.ts';

export const settings = apiSettings;

export const rest = chosenIds;

export const flags = {
  ...cordonFlags,
  wait: { help: 'wait until nothing runs there any more; exit code 1 when the deadline comes first' },
  deadline: {
    value: 'TIME',
    kind: cordonTime,
    help: 'time within which the work should be over, like 30m; ends --wait, and otherwise is only shown',
  },
  ...selectionFlags,
} as const satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster node drain node-1 --wait --deadline 30m', 'in a script, for half an hour at most'],
  ['muster node drain --labels rack=b7 -m "new kernel"', 'a whole rack, after a look'],
];

type DrainArgv = Argv<typeof flags>;

export async function run(argv: DrainArgv): Promise<number> {
  const { message = '', wait } = argv.flags;
  refuseEarlyEnd(argv);
  const began = systemClock.now();
  const draining: string[] = [];
  const code = await decideAbout(argv, api => ({
    path: 'node drain',
    asks: { Action: 'drain' },
    verb: 'drain',
    done: wait ? 'draining' : 'cordoned, to be drained',
    undone: 'drained',
    flags,
    leaveOut: ({ Membership }) => (Membership === 'REJECTED' ? 'REJECTED, so it reports no work' : undefined),
    takenBackBy: endNewCordons,
    async act({ id, ...shown }, operation) {
      const body = { Action: 'drain', Message: message, Actor: actor(), ...wishOf(argv.flags) } as const;
      if (!(await isOnlyAwaited(argv, api, id, shown.node)))
        await api.decide(id, body, { operation, ...shown });
      draining.push(id);
    },
  }));
  if (!wait || draining.length === 0) return code;
  await waitFor(argv, draining, began);
  return code;
}

/** @throws MusterError `usage` for a cordon that would end before the deadline */
function refuseEarlyEnd({ flags: { for: forMs, deadline: deadlineMs }, given }: DrainArgv): void {
  if (forMs === undefined || deadlineMs === undefined || forMs >= deadlineMs) return;
  const typed = (name: string) => `--${name} ${given.get(name)?.at(-1)}`;
  throw new MusterError(
    'usage',
    `${typed('for')} and ${typed('deadline')} exclude each other: the cordon would end before the deadline`,
    { hint: 'give a longer --for, or none: then the cordon ends by muster node uncordon' },
  );
}

async function waitFor(
  { load, flags: given }: DrainArgv,
  ids: readonly string[],
  began: Date,
): Promise<void> {
  const api = await requesterApi(load);
  sayThatItGoesOn(ids);
  const [id = ''] = ids;
  const query: Record<string, string> = { since: began.toISOString() };
  if (ids.length === 1) query.node = id;
  await waitUntilDrained({
    ids,
    look: each => api.node(each),
    newIdOf: each => findNewId(api, each),
    events: followEvents(api, query, silentFeed),
    clock: systemClock,
    timeoutMs: given.deadline,
    tell: text => note(printable(text, 1024)),
    onDrained: each => {
      const text = `${printable(each, 128)}: drained`;
      if (given.output === 'text') print(`${text}\n`);
      else note(text);
    },
  });
}

/** Whether a node is drained already, and nothing about that is to be changed. Then there is only something to wait for. */
async function isOnlyAwaited(
  { flags: { wait, message, for: forMs, deadline } }: DrainArgv,
  api: ApiClient,
  id: string,
  seen: ShownNode | undefined,
): Promise<boolean> {
  if (!wait || message !== undefined || forMs !== undefined || deadline !== undefined) return false;
  const node = seen ?? (await api.node(id).catch(() => undefined));
  return node?.Info.NodeID === id && node.Muster?.Cordon?.Drain !== undefined;
}

// What the events would tell of an outage, the looks at the nodes tell too.
const silentFeed = {
  clock: systemClock,
  random: systemRandom,
  onUnreadable: () => undefined,
  onLost: () => undefined,
  onBack: () => undefined,
};

function sayThatItGoesOn(ids: readonly string[]): void {
  const end = `muster node uncordon ${ids.length <= 5 ? ids.join(' ') : 'ID...'}`;
  closeWhenInterrupted(() => note(`The drain goes on. To end it: ${end}`));
}
