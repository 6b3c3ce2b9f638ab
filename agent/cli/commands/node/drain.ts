// `muster node drain` keeps new work away from a node, and awaits the end of what runs there.
import { type ApiClient, apiSettings, requesterApi } from '../../../api/client.ts';
import { followEvents } from '../../../api/event-feed.ts';
import { note, print } from '../../../output/terminal.ts';
import { endBySignal } from '../../../roles/interruption.ts';
import { systemClock } from '../../../system/clock.ts';
import { printable } from '../../../system/printable.ts';
import { systemRandom } from '../../../system/random.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { actor } from '../actor.ts';
import { cordonFlags, cordonTime, wishOf } from './cordon-flags.ts';
import { waitUntilDrained } from './wait-until-drained.ts';

export const settings = apiSettings;

export const operands = { id: 'the whole id of a node' };

export const flags = {
  ...cordonFlags,
  wait: { help: 'wait until it runs nothing any more; exit code 1 when the deadline comes first' },
  deadline: { value: 'TIME', kind: cordonTime, help: 'time within which its work should be over, like 30m' },
} as const satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster node drain node-1 -m "new kernel"', 'give node-1 no new work, and have its end recorded'],
  ['muster node drain node-1 --wait --deadline 30m', 'in a script, for half an hour at most'],
];

export async function run(argv: Argv<typeof flags, keyof typeof operands>): Promise<number> {
  const { flags: given, load } = argv;
  const { id } = argv.operands;
  const api = await requesterApi(load);
  const began = systemClock.now();
  if (!(given.wait && (await isDraining(api, id, given)))) {
    const { message = '' } = given;
    await api.decide(id, { Action: 'drain', Message: message, Actor: actor(), ...wishOf(given) });
  }
  if (!given.wait) {
    print('Ok\n');
    return 0;
  }
  sayThatItGoesOn(id);
  await waitUntilDrained({
    look: () => api.node(id),
    events: followEvents(api, { node: id, since: began.toISOString() }, silentFeed),
    clock: systemClock,
    timeoutMs: given.deadline,
    tell: text => note(printable(text, 1024)),
  });
  print('Ok\n');
  return 0;
}

/** Whether the node is drained already, and nothing about that is to be changed. Then there is only something to wait for. */
async function isDraining(
  api: ApiClient,
  id: string,
  {
    message,
    for: forMs,
    deadline,
  }: { message?: string | undefined; for?: number | undefined; deadline?: number | undefined },
): Promise<boolean> {
  if (message !== undefined || forMs !== undefined || deadline !== undefined) return false;
  const node = await api.node(id).catch(() => undefined);
  return node?.Info.NodeID === id && node.Muster?.Cordon?.Drain !== undefined;
}

// What the events would tell of an outage, the looks at the node tell too.
const silentFeed = {
  clock: systemClock,
  random: systemRandom,
  onUnreadable: () => undefined,
  onLost: () => undefined,
  onBack: () => undefined,
};

function sayThatItGoesOn(id: string): void {
  process.once('SIGINT', () => {
    note(`The drain of ${id} goes on. To end it: muster node uncordon ${id}`);
    endBySignal('SIGINT');
  });
}
