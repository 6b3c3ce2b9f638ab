// Defines the messages from the process that runs the checks to `muster doctor`. Each is one line of JSON and is sent at
// once.
import type { Role } from '../config/role.ts';
import { standardOutput } from '../output/standard-output.ts';
import type { CheckResult } from './checks/check.ts';

/** The plan of the checks that will run. */
export interface CheckPlan {
  readonly roles: readonly Role[];
  /** The data folder; absent when the settings do not load. */
  readonly data?: string | undefined;
  /** The names of the checks, in the order in which they are shown. */
  readonly checks: readonly string[];
}

/** A file for the archive. */
export interface BundleFile {
  readonly name: string;
  readonly text: string;
}

/** A file that is missing from the archive, and the reason. */
export interface OmittedFile {
  readonly what: string;
  readonly why: string;
}

export type CheckMessage =
  | { readonly plan: CheckPlan }
  | { readonly result: CheckResult }
  | { readonly file: BundleFile }
  | { readonly omitted: OmittedFile }
  /** The last message. */
  | { readonly done: true };

/** Writes one message to standard output; resolves when it is written. */
export function sendToParent(message: CheckMessage): Promise<void> {
  return new Promise(resolve => standardOutput().write(`${JSON.stringify(message)}\n`, () => resolve()));
}
