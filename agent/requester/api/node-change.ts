// Reads the body of a PUT, in which an operator decides about one node.
import type * as v from 'valibot';
import { type DecisionAction, decisionActions, decisionSchema } from '../../protocol/http.ts';
import type { LabelChange } from '../../protocol/label.ts';
import { isFingerprint } from '../../protocol/nkey.ts';
import { nodeIdPattern, nodeIdRule } from '../../protocol/schema.ts';
import { printable } from '../../system/printable.ts';
import type { Act } from '../events/requester-events.ts';
import type { CordonWish } from '../roll/cordon-rules.ts';
import type { Decision, Shown } from '../roll/decisions.ts';
import { readFilter } from './node-query.ts';
import { RequestFault } from './problem.ts';
import { readBody } from './read-body.ts';

/** A decision of an operator about a node. */
export interface NodeChange {
  action: DecisionAction;
  /** What the operator decided. `isBan` says whether the key of a node that is deleted is refused for ever. */
  decision: Decision &
    CordonWish & { isBan: boolean; labels: LabelChange; silentForMs: number; newId: string };
}

/**
 * Reads the body of a PUT. `actOf` says who makes the change, when it gets what the caller says of itself. The body contains
 * the caller's token, so an error quotes only the action. @throws RequestFault 400
 */
export function readNodeChange(body: Uint8Array, actOf: (claimed: string) => Act): NodeChange {
  const read = readBody(decisionSchema, body);
  const { Action, Message, Actor, Exact, Fingerprint, Ban, Labels, NewID } = read;
  const { ForSeconds, DeadlineSeconds, SilentForSeconds } = read;
  const action = decisionActions.find(name => name === Action);
  if (!action) {
    throw new RequestFault(
      400,
      `unsupported action "${printable(Action)}"; allowed: ${decisionActions.join(', ')}`,
    );
  }
  if (Ban && action !== 'delete')
    throw new RequestFault(400, 'only the key of a node that is deleted can be banned');
  if (Fingerprint && !isFingerprint(Fingerprint))
    throw new RequestFault(
      400,
      'the fingerprint is none: it has sixteen letters and digits, as ABCD-EFGH-IJKL-MNOP',
    );
  if (action === 'rekey' && !Fingerprint)
    throw new RequestFault(400, 'the fingerprint of the new key is missing');
  if (ForSeconds && action !== 'cordon' && action !== 'drain')
    throw new RequestFault(400, 'only a cordon ends by itself');
  if (DeadlineSeconds && action !== 'drain') throw new RequestFault(400, 'only a drain has a deadline');
  if (ForSeconds && DeadlineSeconds > ForSeconds)
    throw new RequestFault(
      400,
      'ForSeconds is less than DeadlineSeconds: the cordon would end before the deadline',
    );
  if (SilentForSeconds && action !== 'forget')
    throw new RequestFault(400, 'only a node that is forgotten has a shortest silence');
  if (action === 'forget' && !SilentForSeconds)
    throw new RequestFault(400, 'SilentForSeconds is missing: a node is forgotten only for its silence');
  if (action === 'label' && Object.keys(Labels).length === 0)
    throw new RequestFault(400, 'no label is named; expected like {"rack":"b7","spare":null}');
  if (action !== 'label' && Object.keys(Labels).length > 0)
    throw new RequestFault(400, 'only the action label has labels');
  if (NewID && action !== 'rename') throw new RequestFault(400, 'only the action rename has a NewID');
  if (action === 'rename' && !nodeIdPattern.test(NewID))
    throw new RequestFault(400, `NewID is no id of a node: ${nodeIdRule}`);
  const shown = shownIn(read);
  const isOnRoll = action !== 'undelete' && action !== 'rename';
  if (Object.keys(shown).length > 0 && !isOnRoll)
    throw new RequestFault(400, `what was shown is not compared by ${action}`);
  const decision = {
    reason: Message,
    ...actOf(Actor),
    isExact: Exact,
    fingerprint: Fingerprint,
    isBan: Ban,
    labels: Labels,
    newId: NewID,
    shown,
    ...(ForSeconds ? { forMs: ForSeconds * 1000 } : {}),
    ...(DeadlineSeconds ? { deadlineMs: DeadlineSeconds * 1000 } : {}),
    silentForMs: SilentForSeconds * 1000,
  };
  return { action, decision };
}

function shownIn(read: v.InferOutput<typeof decisionSchema>): Shown {
  const { ShownMembership, ShownSilenceSeconds, ShownFilter, ShownOperation, ShownCordonAt, ShownLabels } =
    read;
  return {
    ...(ShownMembership ? { membership: ShownMembership } : {}),
    ...(ShownSilenceSeconds ? { silentForMs: ShownSilenceSeconds * 1000 } : {}),
    ...(ShownOperation ? { operation: ShownOperation } : {}),
    ...(ShownCordonAt === undefined ? {} : { cordonAt: ShownCordonAt }),
    ...(ShownLabels ? { labels: ShownLabels } : {}),
    ...(ShownFilter ? { isChosen: readFilter(new URLSearchParams(ShownFilter)) } : {}),
  };
}
