// The shown rule refuses a decision about a node that is not any more as it was shown to the operator. It is a pure function.

import {
  connectionStatusOf,
  type Health,
  type Membership,
  type NodeState,
} from '../../protocol/node-state.ts';
import { rememberedOperations } from '../../protocol/operation.ts';
import { durationText } from '../../protocol/unit-text.ts';
import { MusterError } from '../../system/errors.ts';
import { plainDirection } from '../../system/plain-direction.ts';
import type { DecisionRule, Shown } from './decisions.ts';
import { operationsOf } from './stored-record.ts';

/** Returns for how long a node was not heard now, in milliseconds; undefined when nobody knows. */
export type SilenceOf = (id: string) => number | undefined;

/** What is known of a node beside its record. */
export interface Hearing {
  silenceOf: SilenceOf;
  healthOf(id: string): Health;
}

/**
 * Returns `rule` for a decision that rests on what was shown: it throws MusterError `conflict` when the record is not so any more.
 * An operation that the record remembers is judged by the rule alone, because it may be what changed the record.
 */
export const onlyAsShown =
  (rule: DecisionRule, hearing: Hearing): DecisionRule =>
  (stored, name, decision, now) => {
    const { shown, operation } = decision;
    const remembered = rememberedOperations(operationsOf(stored));
    const isRemembered = remembered.some(each => each.operation === operation);
    if (shown && stored.kind === 'record' && !isRemembered) {
      requireShown(stored.state, name, shown, hearing.silenceOf);
      requireLast(remembered.at(-1)?.operation, name, shown);
      requireCordon(stored.state, name, shown);
      requireLabels(stored.state, name, shown);
      requireChosen(stored.state, name, shown, hearing.healthOf, now);
    }
    return rule(stored, name, decision, now);
  };

function requireShown(
  state: NodeState,
  name: string,
  { membership, silentForMs }: Shown,
  silenceOf: SilenceOf,
): void {
  if (membership !== undefined && membership !== state.Membership)
    throw changedSince(state, name, membership);
  if (silentForMs === undefined) return;
  const silenceMs = silenceOf(state.Info.NodeID);
  if (silenceMs !== undefined && silenceMs >= silentForMs) return;
  throw heardSince(name, silenceMs, silentForMs, `to decide all the same, name the node alone: ${name}`);
}

function requireLast(last: string | undefined, name: string, { operation }: Shown): void {
  if (operation === undefined || operation === last) return;
  throw changedMeanwhile(`somebody else has decided about node ${name} meanwhile`, name);
}

// A drain whose work has ended is the same cordon as before.
function requireCordon({ Muster }: NodeState, name: string, { cordonAt }: Shown): void {
  const { Cordon: now } = Muster ?? {};
  if (cordonAt === undefined || timeOf(cordonAt) === timeOf(now?.At ?? '')) return;
  if (!now) throw changedMeanwhile(`the cordon of node ${name} has ended meanwhile`, name);
  const by = now.Actor ? ` by ${now.Actor}` : '';
  const text = cordonAt
    ? `the cordon of node ${name} was changed${by} meanwhile`
    : `node ${name} was cordoned${by} meanwhile`;
  throw changedMeanwhile(text, name);
}

const timeOf = (time: string): number | undefined => (time === '' ? undefined : Date.parse(time));

// Whoever shows a value marks some characters in it.
function requireLabels({ Muster }: NodeState, name: string, { labels = {} }: Shown): void {
  const { Labels = {}, LabelOrigins = [] } = Muster ?? {};
  for (const [key, before] of Object.entries(labels)) {
    const now = Object.hasOwn(Labels, key) ? Labels[key] : undefined;
    if (
      plainDirection(before ?? '') === plainDirection(now ?? '') &&
      (before === null) === (now === undefined)
    )
      continue;
    const actor = LabelOrigins.find(({ Label }) => Label === key)?.Actor;
    const text = now === undefined ? 'was removed' : `was set to "${now}"${actor ? ` by ${actor}` : ''}`;
    throw changedMeanwhile(`the label ${key} of node ${name} ${text} meanwhile`, name);
  }
}

const changedMeanwhile = (text: string, name: string): MusterError =>
  new MusterError('conflict', text, {
    hint: `see what changed, and decide again: muster node explain ${name}`,
  });

function requireChosen(
  state: NodeState,
  name: string,
  { isChosen }: Shown,
  healthOf: Hearing['healthOf'],
  now: string,
): void {
  const Health = healthOf(state.Info.NodeID);
  const Labels = { ...state.Info.Labels, ...state.Muster?.Labels };
  const node = {
    Membership: state.Membership,
    Connection: connectionStatusOf(Health),
    Info: { Conditions: state.Info.Conditions, Labels },
    Muster: { Health },
  };
  if (isChosen === undefined || isChosen(node, new Date(now))) return;
  throw new MusterError('conflict', `node ${name} does not match the selection any more`, {
    hint: `see what changed, and decide again: muster node describe ${name}`,
  });
}

/** Returns the error for a node that was not silent for as long as is wanted. Its text is the same for all of them. */
export const heardSince = (
  name: string,
  silenceMs: number | undefined,
  wantedMs: number,
  hint: string,
): MusterError =>
  new MusterError(
    'conflict',
    silenceMs === undefined
      ? `node ${name} was never heard, so nobody knows for how long it has been silent`
      : `node ${name} was heard within the last ${durationText(wantedMs)}`,
    { hint },
  );

const decided: Readonly<Partial<Record<string, Membership>>> = { approve: 'APPROVED', reject: 'REJECTED' };

function changedSince({ Membership, Muster }: NodeState, name: string, shown: Membership): MusterError {
  const { Action = '', Actor = '' } = Muster?.Decision ?? {};
  const by = Actor ? ` by ${Actor}` : '';
  const isDecided = Membership !== '' && decided[Action] === Membership;
  const text = isDecided
    ? `node ${name} was ${Membership.toLowerCase()}${by} meanwhile`
    : `node ${name} is not ${shown} any more`;
  return new MusterError('conflict', text, {
    hint: `see why, and decide again: muster node explain ${name}`,
  });
}
