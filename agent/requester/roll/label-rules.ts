// The label rule says what an operator's labels change in a node's record. They are stronger than those that the node sends.
import { writeJson } from '../../protocol/json.ts';
import { type LabelChange, labelRule } from '../../protocol/label.ts';
import type { LabelOrigin } from '../../protocol/label-schema.ts';
import type { NodeState, RecordedChange } from '../../protocol/node-state.ts';
import { MusterError } from '../../system/errors.ts';
import {
  bounded,
  changeBy,
  changeIn,
  type Decision,
  type DecisionRule,
  isRepeated,
  nothing,
  readable,
  refuseForRequester,
} from './decisions.ts';

/**
 * Returns the rule that sets and removes labels of a node. Of what is so already, nothing is told. It throws as every
 * DecisionRule, and `conflict` when nothing would change or the labels would be too many.
 */
export const labelNode =
  (wish: LabelChange): DecisionRule =>
  (stored, name, decision, now) => {
    if (isRepeated(stored, name, decision, 'labelled')) return nothing;
    const state = readable(stored, name);
    refuseForRequester(state, name, 'labelled');
    const before = state.Muster?.Labels ?? {};
    const effective = Object.entries(wish).filter(([key, value]) => labelOf(before, key) !== value);
    if (effective.length === 0) throw nothingToChange(state, name, wish);
    const labels = labelsAfter(before, effective);
    if (Object.keys(labels).length > Math.max(labelRule.count, Object.keys(before).length))
      throw tooMany(name, Object.keys(labels).length);
    const LabelOrigins = originsAfter(state, effective, decision, now);
    refuseTooLarge(state, labels, LabelOrigins, name);
    return {
      write: { ...state, Muster: { ...state.Muster, Labels: some(labels), LabelOrigins } },
      change: changeBy(decision, {
        ...changeIn(state, 'labelled', now),
        ...labelsOfChange(effective, before, name),
      }),
    };
  };

type Labels = Readonly<Record<string, string>>;
type Change = [key: string, value: string | null];

const labelOf = (labels: Labels, key: string): string | null =>
  Object.hasOwn(labels, key) ? (labels[key] ?? null) : null;

/**
 * Size of the labels in a change, in bytes, with the values before. The change waits in the record until its event is
 * acknowledged, beside others, and has its room there.
 */
const maxChangeBytes = 2_048;

function labelsOfChange(
  changes: readonly Change[],
  before: Labels,
  name: string,
): Pick<RecordedChange, 'Labels' | 'PreviousLabels'> {
  const now = Object.fromEntries(changes);
  const previous = Object.fromEntries(changes.map(([key]) => [key, labelOf(before, key)]));
  const sizeBytes = bytesOf(now);
  if (sizeBytes > maxChangeBytes)
    throw new MusterError(
      'conflict',
      `the labels for node ${name} take ${sizeBytes} bytes; allowed at once: ${maxChangeBytes}`,
      { hint: 'set them in several steps' },
    );
  return {
    Labels: now,
    ...(sizeBytes + bytesOf(previous) > maxChangeBytes ? {} : { PreviousLabels: previous }),
  };
}

const bytesOf = (part: LabelChange | readonly LabelOrigin[]): number => Buffer.byteLength(writeJson(part));

/**
 * Size of the labels of a node with their origins, in bytes. In a full record no later decision would have its room. An earlier
 * version set no limit, so a larger record may become smaller.
 */
const maxLabelsBytes = 16_384;

function refuseTooLarge(
  { Muster: { Labels: before = {}, LabelOrigins: originsBefore = [] } = {} }: NodeState,
  labels: Labels,
  origins: readonly LabelOrigin[] | undefined,
  name: string,
): void {
  const sizeBytes = bytesOf(labels) + bytesOf(origins ?? []);
  if (sizeBytes <= Math.max(maxLabelsBytes, bytesOf(before) + bytesOf(originsBefore))) return;
  throw new MusterError(
    'conflict',
    `the labels of node ${name} would take ${sizeBytes} bytes, with who set them and why; allowed: ${maxLabelsBytes}`,
    { hint: 'give a shorter reason, or remove other labels first' },
  );
}

function labelsAfter(before: Labels, changes: readonly Change[]): Labels {
  const after = new Map(Object.entries(before));
  for (const [key, value] of changes)
    if (value === null) after.delete(key);
    else after.set(key, value);
  return Object.fromEntries(after);
}

function originsAfter(
  { Muster }: NodeState,
  changes: readonly Change[],
  decision: Decision,
  now: string,
): LabelOrigin[] | undefined {
  const { reason, actor, claim } = bounded(decision);
  const { Operation: _operation, ...claimed } = claim;
  const changed = new Set(changes.map(([key]) => key));
  const kept = (Muster?.LabelOrigins ?? []).filter(({ Label }) => !changed.has(Label));
  const set = changes.flatMap(([key, value]) =>
    value === null ? [] : { Label: key, Reason: reason, Actor: actor, ...claimed, At: now },
  );
  const origins = [...kept, ...set];
  return origins.length > 0 ? origins : undefined;
}

const some = (labels: Labels): Record<string, string> | undefined =>
  Object.keys(labels).length > 0 ? labels : undefined;

function nothingToChange({ Info }: NodeState, name: string, wish: LabelChange): MusterError {
  const removed = Object.entries(wish).flatMap(([key, value]) => (value === null ? key : []));
  const [key] = removed;
  if (key === undefined || removed.length < Object.keys(wish).length)
    return new MusterError('conflict', `node ${name} has these labels already`);
  const own = removed.find(each => Object.hasOwn(Info.Labels ?? {}, each));
  if (own === undefined)
    return new MusterError('conflict', `no operator has set the label ${key} of node ${name}`);
  return new MusterError('conflict', `the node itself sends the label ${own} of node ${name}`, {
    hint: 'remove it from node.labels in the configuration of that machine, or set another value here',
  });
}

const tooMany = (name: string, count: number): MusterError =>
  new MusterError(
    'conflict',
    `node ${name} would have ${count} labels of the control plane; allowed: ${labelRule.count}`,
  );
