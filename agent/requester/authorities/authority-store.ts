// What the replacement of a CA needs of the requester's folder and of the roll.
import type { NodeState } from '../../protocol/node-state.ts';
import type { Rotation } from './rotation-file.ts';

/** The pins of the CAs; undefined for one that there is not. */
export interface AuthorityPins {
  present: string | undefined;
  next: string | undefined;
  former: string | undefined;
}

/** The files of the CAs in the requester's folder. All methods throw MusterError `bad_state` or `not_writable`. */
export interface AuthorityStore {
  pins(): Promise<AuthorityPins>;
  /** Returns the certificates of the present and the next CA in PEM; undefined for one that there is not. */
  certificates(): Promise<Pick<AuthorityPins, 'present' | 'next'>>;
  makeNext(): Promise<string>;
  removeNext(): Promise<void>;
  removeFormer(): Promise<void>;
  readRotation(): Promise<Rotation | undefined>;
  writeRotation(rotation: Rotation | undefined): Promise<void>;
}

/** The records of the nodes, as far as the rotation reads them. */
export interface KnownRecords {
  get(id: string): NodeState | undefined;
  list(): Iterable<NodeState>;
}
