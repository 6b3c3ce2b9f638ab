// Makes the record of a node anew from what was announced of it, when the store has lost it. It is a pure function.
import { nodeInfoSchema } from '../../protocol/node-info.ts';
import { type MusterState, type NodeState, neverConnected } from '../../protocol/node-state.ts';
import { validate } from '../../protocol/schema.ts';
import type { AnnouncedMembership } from './stored-record.ts';

/** What the control plane gave a node besides its membership, as members of its record. */
export type ControlPlane = Pick<MusterState, 'Labels' | 'LabelOrigins' | 'Cordon' | 'JoinCode'>;

/**
 * Returns what to write for a lost node. The record has no session, so the node registers again by itself, fills in its
 * information, and keeps its membership.
 */
export function rebuiltRecord(
  id: string,
  { membership, kind, reason, actor, at }: AnnouncedMembership,
  given: ControlPlane = {},
): NodeState | 'deleted' {
  if (membership === '') return 'deleted';
  const action = kind === 'approved' ? 'approve' : kind === 'rejected' ? 'reject' : undefined;
  return {
    Info: validate(nodeInfoSchema, { NodeID: id, NodeType: 'Compute' }),
    Membership: membership,
    Connection: 'DISCONNECTED',
    ConnectionState: neverConnected,
    // Each record needs a time, so that the store can be compared with its events when an older record comes back.
    Muster: {
      ...(action
        ? { Decision: { Action: action, Reason: reason, Actor: actor, At: at } }
        : { RegisteredAt: at }),
      ...given,
    },
  };
}
