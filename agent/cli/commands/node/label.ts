// `muster node label` sets and removes labels of nodes that are stronger than those which the nodes send.
import type { ShownNode } from '../../../api/answers.ts';
import { apiSettings } from '../../../api/client.ts';
import { type LabelChange, labelWords } from '../../../protocol/label.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { actor } from '../actor.ts';
import type { Target } from './carry-out.ts';
import { selectionFlags } from './choose-nodes.ts';
import { decideAbout } from './decide-about.ts';
import { filterFlags } from './filter-flags.ts';
import { readLabelLine } from './label-words.ts';
import { messageFlag } from './message-flag.ts';

export const settings = apiSettings;

export const rest = {
  id: 'the whole ids of nodes, instead of a selection',
  label: 'KEY=VALUE sets a label, KEY- removes it; after the ids',
};

export const flags = {
  message: messageFlag,
  ...selectionFlags,
} satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster node label node-1 rack=b7 spare-', 'set the label rack of node-1, and remove the label spare'],
  [
    'muster node label --filter-approval pending site=fra',
    'set the label site of all that wait, after a look',
  ],
];

/** Labels the nodes. Throws MusterError `usage` for a word that is neither an id nor a label, and as `decideAbout`. */
export async function run(argv: Argv<typeof flags>): Promise<number> {
  const isSelection = Object.keys(filterFlags).some(name => argv.given.has(name));
  const { ids, words, labels } = readLabelLine(argv.rest, isSelection);
  const { message = '' } = argv.flags;
  return decideAbout({ ...argv, rest: ids }, api => ({
    path: 'node label',
    asks: { Action: 'label' },
    verb: `set ${words.join(' ')} of`,
    done: 'labelled',
    flags,
    words,
    leaveOut: node => (isSo(node, labels) ? 'already labelled so' : undefined),
    takenBackBy: targets => takenBackBy(targets, labels),
    async act({ id, ...shown }, operation) {
      const body = { Action: 'label', Message: message, Actor: actor(), Labels: labels } as const;
      await api.decide(id, body, { operation, ...shown });
    },
  }));
}

const labelOf = ({ Muster }: ShownNode, key: string): string | null => {
  const { Labels = {} } = Muster ?? {};
  return Object.hasOwn(Labels, key) ? (Labels[key] ?? null) : null;
};

const isSo = (node: ShownNode, labels: LabelChange): boolean =>
  Object.entries(labels).every(([key, value]) => labelOf(node, key) === value);

// One command takes it back only where all nodes had the same labels before.
function takenBackBy(
  targets: readonly Target[],
  labels: LabelChange,
): { path: string; ids: string[]; words: string[] } | undefined {
  const before: Record<string, string | null> = {};
  for (const key of Object.keys(labels)) {
    const values = new Set(targets.map(({ node }) => (node ? labelOf(node, key) : undefined)));
    const [value] = values;
    if (values.size !== 1 || value === undefined) return undefined;
    before[key] = value;
  }
  return { path: 'node label', ids: targets.map(({ id }) => id), words: labelWords(before) };
}
