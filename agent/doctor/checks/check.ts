// Defines a check of `muster doctor`, and runs all checks at the same time. Each has a timeout, and none can stop the
// others.
import { type Clock, sleep } from '../../system/clock.ts';
import { errnoOf, MusterError, reasonOf } from '../../system/errors.ts';

export type Status = 'ok' | 'warning' | 'failed';

/** One result of a check. */
export interface Finding {
  readonly status: Status;
  /** A sentence without its full stop. It may contain any characters, so the code that prints it must escape it. */
  readonly text: string;
  /** The advice for the operator. */
  readonly remedy?: string;
}

export interface Check {
  /** Name of the check, one or two words. */
  readonly name: string;
  /** Time for the check, in milliseconds; 10 s by default. */
  readonly timeoutMs?: number;
  /** Returns the findings, and changes nothing. It may throw or hang. A check without findings is not shown. */
  run(): Promise<readonly Finding[]>;
}

export interface CheckResult {
  readonly check: string;
  readonly findings: readonly Finding[];
}

export const ok = (text: string): Finding => ({ status: 'ok', text });
export const warning = (text: string, remedy: string): Finding => ({ status: 'warning', text, remedy });
export const failed = (text: string, remedy: string): Finding => ({ status: 'failed', text, remedy });

const defaultTimeoutMs = 10_000;

/** Runs all `checks` and calls `onResult` for each as it ends. Never rejects. */
export async function runChecks(
  checks: readonly Check[],
  clock: Clock,
  onResult: (result: CheckResult) => void,
): Promise<void> {
  await Promise.all(
    checks.map(async check => onResult({ check: check.name, findings: await runCheck(check, clock) })),
  );
}

async function runCheck(check: Check, clock: Clock): Promise<readonly Finding[]> {
  const { timeoutMs = defaultTimeoutMs } = check;
  try {
    return (await withTimeout(clock, timeoutMs, start(check))) ?? [noAnswer(timeoutMs)];
  } catch (error) {
    if (isDenied(error)) return [warning(`this user may not see this: ${reasonOf(error)}`, runAsRoot)];
    return [failed(`this check failed with an error: ${reasonOf(error)}`, 'if it happens again, report it')];
  }
}

/** The remedy when this user may not see something. */
export const runAsRoot = 'run this as root, or as the user of the role';

/** Returns whether `error` means that this user may not do or see something. */
export function isDenied(error: unknown): boolean {
  if (error instanceof MusterError && error.code === 'not_allowed') return true;
  if (error instanceof MusterError && error.cause !== undefined) return isDenied(error.cause);
  return /^(EACCES|EPERM)$/.test(errnoOf(error) ?? '');
}

/** Returns the value of `promise`, or undefined when it does not settle within `timeoutMs`. */
export async function withTimeout<T>(
  clock: Clock,
  timeoutMs: number,
  promise: Promise<T>,
): Promise<T | undefined> {
  const settled = new AbortController();
  try {
    return await Promise.race([promise, sleep(clock, timeoutMs, settled.signal).then(() => undefined)]);
  } finally {
    settled.abort();
  }
}

// Starts the check as a promise, because a check may throw before it returns its promise.
const start = async (check: Check) => check.run();

/** Returns the finding for a check that did not end within `timeoutMs`. */
export const noAnswer = (timeoutMs: number): Finding =>
  failed(
    `no answer within ${timeoutMs / 1000} s: what it asks hangs`,
    'look for a disk, a driver or a service that hangs; the checks below may suffer from it too',
  );
