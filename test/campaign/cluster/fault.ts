// What a row of the matrix of faults is.
import type { TroubleCode } from '../../../agent/system/trouble.ts';
import type { ClusterStage } from './stage.ts';

/** A fault that has begun. */
export interface Begun {
  /** Places of the requesters that have no quorum: they must say so and decide nothing. */
  without?: readonly number[];
  /** Troubles of which a requester must tell one before the fault ends. */
  says?: readonly TroubleCode[];
  /** Whether nothing came of it after all, so that there is nothing to tell. */
  isHarmless?(): Promise<boolean>;
  /** Time until another requester watched, in milliseconds. */
  tookOverMs?: number;
  /** The site that is cut off from the majority. */
  minority?: number;
  undo(): Promise<void>;
}

export interface Fault {
  help: string;
  /** How long it lasts: a moment, longer than a lease, or a minute. */
  lasts: 'a moment' | 'longer than a lease' | 'a minute';
  /** The disks that it needs; absent when it needs none. */
  needs?: 'disks';
  begin(stage: ClusterStage, pauseDecisions: () => Promise<void>): Promise<Begun>;
}
