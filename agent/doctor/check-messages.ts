// The messages that the process running the checks sends to `muster doctor`: one line of JSON for each, sent at once.
import type { Role } from '../config/role.ts';
import type { CheckResult } from './checks/check.ts';

/** The checks that are about to run. */
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

/** A file that is missing from the archive, and why. */
export interface OmittedFile {
  readonly what: string;
  readonly why: string;
}

export type CheckMessage =
  | { readonly plan: CheckPlan }
  | { readonly result: CheckResult }
  | { readonly file: BundleFile }
  | { readonly omitted: OmittedFile }
  /** Nothing follows. */
  | { readonly done: true };

/** Writes one message to standard output; resolves when it is written. */
export function sendToParent(message: CheckMessage): Promise<void> {
  return new Promise(resolve => process.stdout.write(`${JSON.stringify(message)}\n`, () => resolve()));
}
