// What an operator can decide about nodes: for which nodes it is possible, what it will change, the request and the command line
// that do it, and what takes it back.
import type { DecisionAction, DecisionBody } from '../../protocol/http.ts';
import { type LabelChange, labelWords } from '../../protocol/label.ts';
import type { RollCordon, RollRow } from '../../protocol/roll-rows.ts';
import { isAsItWas } from '../../system/plain-direction.ts';
import { shellLine } from '../../system/shell-word.ts';

export const actions = ['approve', 'reject', 'cordon', 'uncordon', 'drain', 'label', 'delete'] as const;
export type Action = (typeof actions)[number];

/** What the operator types beside the decision. Times are as they were typed, because the command line takes them so. */
export interface Wish {
  readonly reason: string;
  readonly labels: LabelChange;
  readonly forText: string;
  readonly forSeconds: number;
  readonly deadlineText: string;
  readonly deadlineSeconds: number;
}

export const noWish: Wish = {
  reason: '',
  labels: {},
  forText: '',
  forSeconds: 0,
  deadlineText: '',
  deadlineSeconds: 0,
};

export interface Deed {
  /** What a button says. */
  readonly title: string;
  /** What it is called once it is done, such as `approved`, and once it is taken back. */
  readonly done: string;
  readonly undone: string;
  /** What will happen, a sentence for each thing. */
  readonly effects: readonly string[];
  /** The fields that it asks for besides the confirmation. */
  readonly asks: readonly ('reason' | 'for' | 'deadline' | 'labels' | 'id')[];
  /** Returns why it cannot be done to a node; undefined when it can. */
  leaveOut(row: RollRow): string | undefined;
}

const beRequester = ({ type }: RollRow): string | undefined =>
  type === 'Requester' ? 'a requester' : undefined;

export const deeds: Readonly<Record<Action, Deed>> = {
  approve: {
    title: 'Approve',
    done: 'approved',
    undone: 'rejected',
    effects: ['The node takes part: others may give it work from now on.'],
    asks: ['reason'],
    leaveOut: row => beRequester(row) ?? (row.approval === 'APPROVED' ? 'already approved' : undefined),
  },
  reject: {
    title: 'Reject',
    done: 'rejected',
    undone: 'approved again',
    effects: ['The node may not take part. It is told the reason, and it can be approved later.'],
    asks: ['reason'],
    leaveOut: row => beRequester(row) ?? (row.approval === 'REJECTED' ? 'already rejected' : undefined),
  },
  cordon: {
    title: 'Cordon',
    done: 'cordoned',
    undone: 'uncordoned',
    effects: ['No new work is to be given to the node. What runs there goes on.'],
    asks: ['reason', 'for'],
    leaveOut: row => beRequester(row) ?? (row.cordon ? 'already cordoned' : undefined),
  },
  uncordon: {
    title: 'Uncordon',
    done: 'uncordoned',
    undone: 'cordoned again',
    effects: ['New work may be given to the node again. A drain ends with it.'],
    asks: [],
    leaveOut: row => beRequester(row) ?? (row.cordon ? undefined : 'not cordoned'),
  },
  drain: {
    title: 'Drain',
    done: 'draining',
    undone: 'uncordoned',
    effects: ['No new work is to be given to the node, and the end of what runs there is awaited.'],
    asks: ['reason', 'deadline', 'for'],
    leaveOut: row => {
      if (row.approval === 'REJECTED') return 'rejected';
      return beRequester(row) ?? (row.cordon?.drain ? `already ${row.cordon.drain}` : undefined);
    },
  },
  label: {
    title: 'Label',
    done: 'labelled',
    undone: 'labelled as before',
    effects: ['These labels are stronger than those that the node sends itself.'],
    asks: ['labels', 'reason'],
    leaveOut: beRequester,
  },
  delete: {
    title: 'Delete',
    done: 'deleted',
    undone: 'back on the roll',
    effects: [
      'The node leaves the roll, and its agent goes quiet.',
      'It comes back only by hand: by Undo, or when its agent is started again.',
    ],
    asks: ['id', 'reason'],
    leaveOut: beRequester,
  },
};

/** A request about one node. */
export interface Decision {
  readonly id: string;
  readonly body: DecisionBody;
}

/**
 * Returns the request that carries out an action on a node. The requester refuses it when the node is not any more what `row` has
 * shown: with another membership, or another key, cordon or label where the action is about that.
 */
export function decisionAbout(row: RollRow, action: Action, wish: Wish): Decision {
  const fingerprint = comparedKey(row, action);
  return {
    id: row.id,
    body: {
      ...bodyOf(action, wish.reason),
      ShownMembership: row.approval,
      ...(fingerprint ? { Fingerprint: fingerprint } : {}),
      ...(action === 'label' ? { Labels: wish.labels, ShownLabels: givenLabels(row, wish.labels) } : {}),
      ...(isAboutCordon(action) ? { ShownCordonAt: row.cordon ? isoTime(row.cordon.at) : '' } : {}),
      ...(action === 'drain' && wish.deadlineSeconds > 0 ? { DeadlineSeconds: wish.deadlineSeconds } : {}),
      ...((action === 'drain' || action === 'cordon') && wish.forSeconds > 0
        ? { ForSeconds: wish.forSeconds }
        : {}),
    },
  };
}

const isAboutCordon = (action: Action): boolean =>
  action === 'cordon' || action === 'uncordon' || action === 'drain';

const isoTime = (ms: number): string => new Date(ms).toISOString();

/** Returns the fingerprint on which a decision rests; empty when it rests on none. */
function comparedKey({ fingerprint }: RollRow, action: Action): string {
  return action === 'approve' || action === 'reject' || action === 'delete' ? fingerprint : '';
}

/** Returns the command that does the same. It can compare the key of one node only. */
export function commandOf(action: Action, rows: readonly RollRow[], wish: Wish): string {
  const { asks } = deeds[action];
  const [row] = rows;
  const fingerprint = row && rows.length === 1 ? comparedKey(row, action) : '';
  const flags = [
    ...(asks.includes('for') && wish.forText ? ['--for', wish.forText] : []),
    ...(asks.includes('deadline') && wish.deadlineText ? ['--deadline', wish.deadlineText] : []),
    ...(asks.includes('reason') && wish.reason ? reasonWords(wish.reason) : []),
    ...(fingerprint ? ['--fingerprint', fingerprint] : []),
  ];
  const labels = asks.includes('labels') ? labelWords(wish.labels) : [];
  return shellLine(['muster', 'node', action, ...rows.map(({ id }) => id), ...labels, ...flags]);
}

/** A reason that begins with a dash would be taken for a flag. */
const reasonWords = (reason: string): string[] =>
  reason.startsWith('-') ? [`--message=${reason}`] : ['-m', reason];

/** A decision that was carried out. */
export interface Done {
  /** The node as it was before. */
  readonly row: RollRow;
  readonly action: Action;
  readonly wish: Wish;
  readonly operation: string;
}

/**
 * Returns the request that takes a decision back at the time `now`, in milliseconds; undefined when nothing does. A node that
 * waited for approval is rejected then, because nobody can make it wait again. The requester refuses it when somebody has decided
 * about the node since.
 */
export function takeBack({ row, action, wish, operation }: Done, now: number): Decision | undefined {
  const of = (back: DecisionAction, more: Partial<DecisionBody> = {}, reason = '') => ({
    id: row.id,
    body: { ...bodyOf(back, reason), ShownOperation: operation, ...more },
  });
  switch (action) {
    case 'approve':
      return of('reject', { ShownMembership: 'APPROVED' });
    case 'reject':
      return row.approval === 'APPROVED' ? of('approve', { ShownMembership: 'REJECTED' }) : undefined;
    case 'cordon':
    case 'drain':
      return row.cordon ? undefined : of('uncordon');
    case 'uncordon':
      return row.cordon && canComeBack(row.cordon, row, now)
        ? of(...cordonAgain(row.cordon, now))
        : undefined;
    case 'label': {
      const Labels = givenLabels(row, wish.labels);
      return Object.values(Labels).every(value => isAsItWas(value ?? ''))
        ? of('label', { Labels })
        : undefined;
    }
    case 'delete':
      return { id: row.id, body: bodyOf('undelete', '') };
  }
}

/** A cordon comes back whole or not at all: not when its end or its deadline is over, and not where a node cannot be drained. */
function canComeBack(
  { reason, drain, until, deadline }: RollCordon,
  { approval }: RollRow,
  now: number,
): boolean {
  const ends = until ?? Number.POSITIVE_INFINITY;
  if (ends <= now || !isAsItWas(reason)) return false;
  if (!drain) return true;
  return approval !== 'REJECTED' && (deadline === null || (deadline > now && deadline <= ends));
}

/** A cordon ends when it would have ended, and its work should be over when it should have been. */
function cordonAgain(
  { reason, drain, until, deadline }: RollCordon,
  now: number,
): [DecisionAction, Partial<DecisionBody>, reason: string] {
  const left = (at: number) => Math.max(1, Math.round((at - now) / 1000));
  const ForSeconds = until === null ? {} : { ForSeconds: left(until) };
  const DeadlineSeconds = deadline === null ? {} : { DeadlineSeconds: left(deadline) };
  return drain ? ['drain', { ...ForSeconds, ...DeadlineSeconds }, reason] : ['cordon', ForSeconds, reason];
}

const bodyOf = (action: DecisionAction, reason: string): DecisionBody => ({
  Action: action,
  Message: reason,
  Actor: '',
  Exact: true,
});

/**
 * Returns what operators and join codes have given to the labels of a change; null for one that nobody has given. A label that
 * comes from the node itself comes back by itself when that of an operator is removed.
 */
function givenLabels({ labels }: RollRow, change: LabelChange): LabelChange {
  const given = new Map(labels.map(({ key, value, from }) => [key, from === 'node' ? null : value]));
  return Object.fromEntries(Object.keys(change).map(key => [key, given.get(key) ?? null]));
}
