// What the process that looks tells the one that was asked: a line of JSON for each thing, as soon as it is known.
import type { Role } from '../config/role.ts';
import type { CheckResult } from './checks/check.ts';

/** What it is going to look at. */
export interface Begun {
  readonly roles: readonly Role[];
  /** The data folder; absent where the settings do not load. */
  readonly data?: string | undefined;
  /** The names of its checks, in the order in which they are shown. */
  readonly checks: readonly string[];
}

/** A file for the archive. */
export interface Gathered {
  readonly name: string;
  readonly text: string;
}

/** What the archive is without, and why. */
export interface LeftOut {
  readonly what: string;
  readonly why: string;
}

export type Told =
  | { readonly begun: Begun }
  | { readonly result: CheckResult }
  | { readonly gathered: Gathered }
  | { readonly leftOut: LeftOut }
  /** That was all. */
  | { readonly ended: true };

/** Writes one to standard output, whole. */
export function tellParent(told: Told): Promise<void> {
  return new Promise(resolve => process.stdout.write(`${JSON.stringify(told)}\n`, () => resolve()));
}
