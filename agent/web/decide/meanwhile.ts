// Says what somebody else has decided about a node since it was shown.
import type { RollCordon, RollRow } from '../../protocol/roll-rows.ts';

/** Returns what has changed, such as `approved by ada meanwhile`; empty when nothing has that a decision rests on. */
export function meanwhile(before: RollRow, now: RollRow | undefined): string {
  if (!now) return 'not on the roll any more';
  const { approval, fingerprint, decision } = now;
  const parts = [
    approval === before.approval ? '' : `${approval.toLowerCase()}${by(decision)} meanwhile`,
    fingerprint === before.fingerprint ? '' : `its key is another one now: ${fingerprint}`,
    cordonText(before.cordon, now.cordon),
    ...labelTexts(before, now),
  ];
  return parts.filter(Boolean).join('; ');
}

function cordonText(before: RollCordon | null, now: RollCordon | null): string {
  if (before?.at === now?.at) return '';
  if (!now) return 'its cordon has ended meanwhile';
  return before ? `its cordon changed${by(now)} meanwhile` : `cordoned${by(now)} meanwhile`;
}

/** The labels of the node itself are not decided by anybody. */
function labelTexts(before: RollRow, now: RollRow): string[] {
  const [old, given] = [givenIn(before), givenIn(now)];
  const set = [...given.values()].filter(({ key, value }) => old.get(key)?.value !== value);
  const removed = [...old.keys()].filter(key => !given.has(key));
  return [
    ...set.map(({ key, value, by: actor }) => `labelled ${key}=${value}${by({ actor })} meanwhile`),
    ...removed.map(key => `its label ${key} was removed meanwhile`),
  ];
}

const givenIn = ({ labels }: RollRow) =>
  new Map(labels.filter(({ from }) => from !== 'node').map(label => [label.key, label]));

const by = (whose: { actor: string } | null): string => (whose?.actor ? ` by ${whose.actor}` : '');
