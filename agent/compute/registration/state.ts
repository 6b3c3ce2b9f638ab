// The state of this node's registration is one object that all parts of the agent read and only `Registration` writes.

import type { Cordon } from '../../protocol/cordon.ts';
import type { Refusal } from '../../protocol/refusal.ts';

export const phases = [
  /** Not accepted yet. */
  'registering',
  /** Accepted; an operator has to approve. */
  'pending',
  'approved',
  /** Accepted by a Bacalhau requester, whose answers do not contain the membership. */
  'registered',
  'rejected',
  /** Deleted by an operator. The node sends nothing until somebody registers it by hand. */
  'deleted',
] as const;
export type Phase = (typeof phases)[number];

/** The state of the registration. A text is empty while it is unknown. */
export interface RegistrationState {
  phase: Phase;
  session: string;
  cluster: string;
  requester: string;
  /** The reason why the requester refused, in its own words. */
  reason: string;
  /** The reason that an operator gave for rejecting or deleting the node. */
  operatorReason: string;
  /**
   * The kind of request that was refused last, for a reason that does not change the phase. It is empty once such a
   * request is carried out.
   */
  refused: '' | RequestKind;
  /** How often in a row the requester did not know this node any more before it took its information. */
  forgotten: number;
  /** Why the requester does not let the key of this node in; undefined while it does. */
  refusal: Refusal | undefined;
  /** What keeps new work away from this node, as the requester said last; undefined when it said of none. */
  cordon?: Cordon | undefined;
  /** Whether the requester is being asked why the broker does not permit what this node sends. */
  isAskingWhy: boolean;
}

/** The information of a node registers and confirms it; its resources are only a report. */
export type RequestKind = 'information' | 'resources';

export const initialState = (): RegistrationState => ({
  phase: 'registering',
  session: '',
  cluster: '',
  requester: '',
  reason: '',
  operatorReason: '',
  refused: '',
  forgotten: 0,
  refusal: undefined,
  isAskingWhy: false,
});

/** Returns whether a requester has accepted the node. An accepted node sends all its reports. */
export const isAccepted = (phase: Phase): boolean =>
  phase === 'pending' || phase === 'approved' || phase === 'registered';

/** Returns whether the node may send nothing but the question why its key is refused. */
export const isShutOut = ({ refusal, isAskingWhy }: RegistrationState): boolean =>
  refusal !== undefined || isAskingWhy;
