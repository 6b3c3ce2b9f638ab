// Shows the labels of a node with where each comes from.
import type { ShownNode } from '../../../api/answers.ts';
import type { Row } from '../../../output/sections.ts';
import { timeText } from '../../../output/units.ts';
import { operatorText } from '../actor.ts';

/** Returns a row for each label of a node, and one below it that says where it comes from when the node did not send it. */
export function labelRows(node: ShownNode, now: Date): Row[] {
  return Object.entries(node.Info.Labels ?? {})
    .sort()
    .flatMap(([key, value]): Row[] => {
      const origin = labelOrigin(node, key, now);
      return origin
        ? [
            [key, value || '""'],
            ['', `set ${origin}`.trim()],
          ]
        : [[key, value]];
    });
}

/**
 * Returns who set a label of the control plane, when and why, and what the node itself sends; undefined for a label that only
 * the node sends.
 */
export function labelOrigin({ Muster }: ShownNode, label: string, now: Date): string | undefined {
  if (!Object.hasOwn(Muster?.Labels ?? {}, label)) return undefined;
  const origin = Muster?.LabelOrigins?.find(each => each.Label === label);
  const {
    Actor,
    ClaimedActor,
    Reason,
    At,
    Own,
    JoinCode = Actor ? undefined : Muster?.JoinCode,
  } = origin ?? {};
  const by = Actor ? `by ${operatorText(Actor, ClaimedActor)}` : JoinCode ? `by join code ${JoinCode}` : '';
  return [
    [by, At && timeText(At, now)].filter(Boolean).join(', '),
    ...(Reason ? [`reason: ${Reason}`] : []),
    ...(Own === undefined ? [] : [`the node itself says ${Own || '""'}`]),
  ].join('; ');
}
