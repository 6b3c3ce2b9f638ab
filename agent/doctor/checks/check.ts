// What a check of `muster doctor` is, and how checks are run: side by side, each with a deadline, none able to end the others.
import { type Clock, sleep } from '../../system/clock.ts';
import { errnoOf, MusterError, reasonOf } from '../../system/errors.ts';

export type Status = 'ok' | 'warning' | 'failed';

/** What a check found. */
export interface Finding {
  readonly status: Status;
  /** A sentence without its full stop. It may hold text from anywhere: whoever prints it escapes it. */
  readonly text: string;
  /** What to do about it. */
  readonly remedy?: string;
}

export interface Check {
  /** A word or two. */
  readonly name: string;
  /** Milliseconds; 10 s unless told. */
  readonly timeoutMs?: number;
  /** Looks, and changes nothing. May throw, and may hang. No findings: there is nothing to say here. */
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

/** Runs all `checks`; `done` hears of each as it ends. Never rejects. */
export async function runChecks(
  checks: readonly Check[],
  clock: Clock,
  done: (result: CheckResult) => void,
): Promise<void> {
  await Promise.all(
    checks.map(async check => done({ check: check.name, findings: await runCheck(check, clock) })),
  );
}

async function runCheck(check: Check, clock: Clock): Promise<readonly Finding[]> {
  const { timeoutMs = defaultTimeoutMs } = check;
  try {
    return (await withTimeout(clock, timeoutMs, begun(check))) ?? [noAnswer(timeoutMs)];
  } catch (error) {
    if (isDenied(error)) return [warning(`this is not for this user to see: ${reasonOf(error)}`, runAsRoot)];
    return [failed(`this could not be looked at: ${reasonOf(error)}`, 'if it stays so, report it')];
  }
}

/** What to do about what this user may not see. */
export const runAsRoot = 'run this as root, or as the user of the role';

/** Whether `error` says that this user may not do or see something. */
export function isDenied(error: unknown): boolean {
  if (error instanceof MusterError && error.code === 'not_allowed') return true;
  if (error instanceof MusterError && error.cause !== undefined) return isDenied(error.cause);
  return /^(EACCES|EPERM)$/.test(errnoOf(error) ?? '');
}

/** What `asked` answers within `deadline` milliseconds; undefined when that is nothing. */
export async function withTimeout<T>(
  clock: Clock,
  deadline: number,
  asked: Promise<T>,
): Promise<T | undefined> {
  const answered = new AbortController();
  try {
    return await Promise.race([asked, sleep(clock, deadline, answered.signal).then(() => undefined)]);
  } finally {
    answered.abort();
  }
}

// A check may throw before it has made its promise.
const begun = async (check: Check) => check.run();

/** What stands for the findings of a check that did not end within `deadline` milliseconds. */
export const noAnswer = (deadline: number): Finding =>
  failed(
    `no answer within ${deadline / 1000} s: what it asks hangs`,
    'a disk, a driver or a service that hangs is the fault to look for; the others below may have it too',
  );
