// `muster node undelete` brings back nodes that were deleted or forgotten, with membership, labels and key as they were.
import { type ApiClient, apiSettings } from '../../../api/client.ts';
import { type Kind, Refusal, readText } from '../../../config/kind.ts';
import { formatDuration, parseDuration } from '../../../config/units.ts';
import { askYes, isAtTerminal } from '../../../output/ask-yes.ts';
import { note, warn } from '../../../output/terminal.ts';
import { systemClock } from '../../../system/clock.ts';
import { MusterError } from '../../../system/errors.ts';
import { printable } from '../../../system/printable.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { outputFlag } from '../../line/output-flag.ts';
import { actor } from '../actor.ts';
import type { Target } from './carry-out.ts';
import type { Choice } from './choose-nodes.ts';
import { decideAboutChosen } from './decide-about.ts';
import { goneTable } from './gone-table.ts';
import { messageFlag } from './message-flag.ts';

export const settings = apiSettings;

export const rest = { id: 'the whole ids of nodes, instead of --deleted-since' };

const period: Kind<number> = {
  name: 'time',
  unit: 'milliseconds',
  read(input) {
    const ms = parseDuration(readText(input));
    if (ms !== undefined && ms >= 1_000) return ms;
    throw new Refusal('is not a time from 1s on; allowed: like 10m, 12h, 2d');
  },
  plain: formatDuration,
};

export const flags = {
  message: messageFlag,
  'deleted-since': {
    value: 'TIME',
    kind: period,
    help: 'all nodes that were deleted or forgotten within this time, like 10m',
  },
  yes: { help: 'do not ask whether the selection is right; needed where there is no terminal' },
  output: outputFlag('text', 'json', 'yaml'),
} satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster node undelete node-1', 'bring back a node that was deleted'],
  ['muster node undelete --deleted-since 10m', 'take back what was deleted and forgotten just now'],
];

export async function run(argv: Argv<typeof flags>): Promise<number> {
  const { message = '' } = argv.flags;
  const withoutLabels = new Set<string>();
  const code = await decideAboutChosen(
    argv,
    api => ({
      path: 'node undelete',
      asks: { Action: 'undelete' },
      verb: 'bring back',
      done: 'brought back',
      flags,
      act: async ({ id, hasLostLabels = mayHaveLost(api, id) }: GoneTarget, operation) => {
        await api.decide(id, { Action: 'undelete', Message: message, Actor: actor() }, { operation });
        if (await hasLostLabels()) withoutLabels.add(id);
      },
    }),
    (_deed, api) => chooseGone(argv, api),
  );
  if (withoutLabels.size > 0) warn(lostLabels([...withoutLabels]));
  return code;
}

/** A node that is gone, and whether its labels are lost, if the list of those nodes has said it. */
interface GoneTarget extends Target {
  hasLostLabels?: () => Promise<boolean>;
}

// The node is back already, so nothing fails when it cannot be read.
const mayHaveLost = (api: ApiClient, id: string) => async () => {
  const node = await api.node(id).catch(() => undefined);
  return node?.Muster?.Former?.LabelsLost === true;
};

function lostLabels(ids: readonly string[]): string {
  const of = ids.length > 5 ? `${ids.slice(0, 5).join(', ')} and ${ids.length - 5} more` : ids.join(', ');
  const text = `${of} came back without labels of the control plane, which were too many to be kept`;
  return printable(`${text}; set them again: muster node label`, 1024);
}

/** @throws MusterError as `chooseNodes` */
async function chooseGone(argv: Argv<typeof flags>, api: ApiClient): Promise<Choice> {
  const { 'deleted-since': sinceMs, yes: isSure } = argv.flags;
  const ids = [...new Set(argv.rest)];
  if ((sinceMs === undefined) === (ids.length === 0)) throw oneOf(ids.length > 0);
  if (sinceMs === undefined) return { targets: ids.map(id => ({ id })), isSelection: false };
  if (!isSure && !isAtTerminal()) throw needsYes();
  const gone = await api.goneNodes(`${sinceMs}ms`);
  if (gone.length === 0) throw nothingGone(formatDuration(sinceMs));
  const targets = gone.map(({ NodeID, LabelsLost = false }): GoneTarget => {
    return { id: NodeID, hasLostLabels: async () => LabelsLost };
  });
  if (isSure) return { targets, isSelection: true };
  const table = goneTable(systemClock.now(), { hasHeader: true, total: process.stderr.columns });
  const rows = gone.slice(0, maxShown).map(node => table.add(node));
  note([...rows, table.end()].join('').trimEnd());
  if (gone.length > maxShown) note(`… and ${gone.length - maxShown} more. All: muster node list --deleted`);
  const what = gone.length === 1 ? 'this node' : `these ${gone.length} nodes`;
  if (await askYes(`Bring back ${what}?`)) return { targets, isSelection: true };
  throw new MusterError('failed', 'nothing was done, because the answer was not y');
}

/** Number of nodes that are shown before the question. */
const maxShown = 20;

const oneOf = (isBoth: boolean): MusterError =>
  new MusterError(
    'usage',
    isBoth
      ? 'ids of nodes and --deleted-since cannot be given together'
      : 'node undelete needs the whole ids of nodes, or --deleted-since',
    { hint: 'the nodes that are gone: muster node list --deleted' },
  );

const needsYes = (): MusterError =>
  new MusterError('usage', 'node undelete --deleted-since needs --yes where nobody can be asked', {
    hint: 'see first which nodes are gone: muster node list --deleted',
  });

const nothingGone = (period: string): MusterError =>
  new MusterError('not_found', `no node was deleted or forgotten within ${period}`, {
    hint: 'the nodes that are gone: muster node list --deleted',
  });
