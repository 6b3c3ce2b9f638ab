// Shows the labels of a node with where each comes from.

import type { TextRow } from '../../protocol/explanation.ts';
import type { ListedNode } from '../../protocol/listed-node.ts';
import { operatorText } from '../../protocol/operator-text.ts';
import { timeText } from '../../protocol/unit-text.ts';

/** Returns a row for each label of a node, and one below it that says where it comes from when the node did not send it. */
export function labelRows(node: ListedNode, now: Date): TextRow[] {
  return Object.entries(node.Info.Labels ?? {})
    .sort()
    .flatMap(([key, value]): TextRow[] => {
      const origin = originOf(node, key);
      return origin
        ? [
            [key, value || '""'],
            ['', originText(origin, now)],
          ]
        : [[key, value]];
    });
}

/** Returns who set a label, such as `of the control plane, by ada`, in few words. */
export function shortOrigin(node: ListedNode, key: string): string {
  const origin = originOf(node, key);
  if (!origin) return "the node's own";
  const own = origin.Own === undefined ? '' : ` (the node says ${origin.Own || '""'})`;
  return ['of the control plane', whoSet(origin)].filter(Boolean).join(', ') + own;
}

type Origin = Partial<NonNullable<NonNullable<ListedNode['Muster']>['LabelOrigins']>[number]>;

/** Returns where a label of the control plane comes from; undefined for a label that only the node sends. */
function originOf({ Muster }: ListedNode, key: string): Origin | undefined {
  if (!Object.hasOwn(Muster?.Labels ?? {}, key)) return undefined;
  // An earlier requester says only by which join code the node came in.
  return Muster?.LabelOrigins?.find(({ Label }) => Label === key) ?? { JoinCode: Muster?.JoinCode };
}

function whoSet({ Actor, ClaimedActor, JoinCode }: Origin): string {
  if (Actor) return `by ${operatorText(Actor, ClaimedActor)}`;
  return JoinCode ? `by join code ${JoinCode}` : '';
}

function originText(origin: Origin, now: Date): string {
  const { Reason, At, Own } = origin;
  const set = ['set', whoSet(origin)].filter(Boolean).join(' ');
  return [
    [set, At && timeText(At, now)].filter(Boolean).join(', '),
    ...(Reason ? [`reason: ${Reason}`] : []),
    ...(Own === undefined ? [] : [`the node itself says ${Own || '""'}`]),
  ].join('; ');
}
