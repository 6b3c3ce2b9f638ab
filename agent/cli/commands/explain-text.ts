// Shows people what became of an operation.
import { breakLines } from '../../output/break-lines.ts';
import type {
  OperationChange,
  OperationDecision,
  OperationState,
  OperationView,
} from '../../protocol/http-operations.ts';
import { operatorText } from '../../protocol/operator-text.ts';
import { printable } from '../../system/printable.ts';

/** Returns sentences about an operation, a paragraph for each node and each other thing that it is about. */
export function explainText(view: OperationView): string {
  const parts = [
    heads[view.State](view),
    ...view.Decisions.map(decisionText),
    ...view.Changes.map(changeText),
    ...view.UnderWay.map(
      ({ NodeID, What, Action }) => `${What || NodeID}: ${view.Requester} is about to ${Action} it.`,
    ),
    ...view.Refusals.map(
      ({ NodeID, What, Action, Reason, At }) =>
        `${What || NodeID}: the request to ${Action} it was refused at ${At}: ${Reason}`,
    ),
    ...view.Doubts.map(text => `This may change: ${text}.`),
  ];
  return parts.map(paragraph).join('');
}

/** Returns lines of at most 80 columns, of which only the first begins at the margin. A longer word stays whole. */
const paragraph = (text: string): string =>
  breakLines(printable(text, 4096), 78)
    .map((line, index) => `${index === 0 ? '' : '  '}${line}\n`)
    .join('');

const heads: Readonly<Record<OperationState, (view: OperationView) => string>> = {
  stands: ({ ID }) => `Operation ${ID} stands.`,
  overtaken: ({ ID }) => `Operation ${ID} was carried out, and something else was decided later.`,
  under_way: ({ ID }) => `Operation ${ID} is under way.`,
  refused: ({ ID, Requester }) => `Operation ${ID} was refused by ${Requester}, and changed nothing.`,
  unknown: ({ ID, EventsSince }) => {
    const before = EventsSince ? `, or it was before ${EventsSince}, from when on events are kept` : '';
    return `No requester has recorded a change of a node, a token, a join code, a ban, a CA or the store by operation ${ID}: none was made${before}.`;
  },
};

function decisionText(decision: OperationDecision): string {
  const { NodeID, Kind, At, Event, EventWaits, Later } = decision;
  const said = `${NodeID}: ${Kind}${factsText(decision)}`;
  const told = Event
    ? `; announced as event ${Event.ID} (message ${Event.Sequence} of the stream)`
    : EventWaits
      ? '; its event is not sent yet'
      : At
        ? '; its event is not kept any more'
        : '';
  const later = Later ? ` It was ${Later.Kind} later${factsText(Later)}${operationText(Later)}.` : '';
  return `${said}${told}.${later}`;
}

function changeText(change: OperationChange): string {
  const { Kind, Name, Later } = change;
  const [what, done] = changeWords[Kind] ?? [Kind, 'changed'];
  const later = Later
    ? ` It was ${changeWords[Later.Kind]?.[1] ?? Later.Kind} later${factsText(Later)}${operationText(Later)}.`
    : '';
  return `${[what, Name].filter(Boolean).join(' ')}: ${done}${factsText({ ...change, Reason: '' })}.${later}`;
}

/** What each kind of change is about, and what was done. */
const changeWords: Readonly<Record<string, readonly [what: string, done: string]>> = {
  operator_created: ['operator', 'created'],
  operator_revoked: ['operator', 'revoked'],
  listener_created: ['listener', 'created'],
  listener_revoked: ['listener', 'revoked'],
  join_code_created: ['join code', 'created'],
  join_code_revoked: ['join code', 'revoked'],
  banned: ['key', 'banned'],
  unbanned: ['key', 'unbanned'],
  ca_rotated: ['CA', 'made to follow the present one'],
  ca_forgotten: ['CA', 'forgotten'],
  store_confirmed: ['the older store', 'confirmed as the right one'],
};

function factsText({
  At,
  Actor,
  ClaimedActor = '',
  Reason,
}: Pick<OperationDecision, 'At' | 'Actor' | 'Reason'> & { ClaimedActor?: string }): string {
  const at = At ? ` at ${At}` : '';
  const by = Actor ? ` by ${operatorText(Actor, ClaimedActor)}` : '';
  return `${at}${by}${Reason ? `, ${JSON.stringify(Reason)}` : ''}`;
}

const operationText = ({ Operation }: { Operation?: string | undefined }): string =>
  Operation ? ` (operation ${Operation})` : '';
