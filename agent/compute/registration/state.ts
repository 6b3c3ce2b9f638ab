// The state of this node's registration: one object that all parts of the agent read and only `Registration` writes.

export type Phase =
  /** Not accepted yet. */
  | 'registering'
  /** Accepted; an operator has to approve. */
  | 'pending'
  | 'approved'
  /** Accepted by a Bacalhau requester, which does not tell a node its membership. */
  | 'registered'
  | 'rejected'
  /** Deleted by an operator: quiet until somebody registers the node by hand. */
  | 'deleted';

/** A text is empty while it is not known. */
export interface RegistrationState {
  phase: Phase;
  session: string;
  cluster: string;
  requester: string;
  /** Why the requester refused, in its own words. */
  reason: string;
}

export const initialState = (): RegistrationState => ({
  phase: 'registering',
  session: '',
  cluster: '',
  requester: '',
  reason: '',
});

/** Tells whether a requester has accepted the node, which then sends all its reports. */
export const isAccepted = (phase: Phase): boolean =>
  phase === 'pending' || phase === 'approved' || phase === 'registered';
