// Describes what a command does to nodes, for the code that does it to many.
import type { ShownNode } from '../../../api/answers.ts';
import type { ActionAsked } from '../../../api/orchestrator.ts';
import type { FlagTable } from '../../line/command.ts';
import type { Target } from './carry-out.ts';

export interface Deed {
  /** The words of the command, such as `node approve`. */
  path: string;
  /** What it asks the requester for. */
  asks: ActionAsked;
  /** What it does and has done, such as `approve` and `approved`. */
  verb: string;
  done: string;
  /** What was not done where it failed, such as `drained`; without it `done`. */
  undone?: string;
  /** The flags of the command itself. */
  flags: FlagTable;
  /** The words that follow the ids on its command line, such as labels. */
  words?: readonly string[];
  /** What else it does, for the question before it: `and refuse their keys for ever`. */
  consequence?: string | undefined;
  /** Does it to one node. An error that ends the wish about this node is a MusterError. */
  act(target: Target, operation: string): Promise<void>;
  /** Says of a node that a selection found why it is left out, such as `already approved`; undefined when it is not. */
  leaveOut?(node: ShownNode): string | undefined;
  /** The command that tries the rest again; absent when it is the same with the ids of the rest. */
  retriedBy?: string;
  /** Returns the command that takes it back, and for which of the nodes; undefined when none does. */
  takenBackBy?(
    targets: readonly Target[],
  ): { path: string; ids: readonly string[]; words?: readonly string[] } | undefined;
}
