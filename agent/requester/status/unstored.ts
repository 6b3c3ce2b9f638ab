// The errors for an operator whose request the cluster store did not carry out, or may not have carried out.
import { MusterError } from '../../system/errors.ts';
import { BrokerError } from '../../transport/port.ts';
import { isKnownToHaveFailed, storeFault } from './store-fault.ts';

/** What an operator is told: what did not happen, and what to do. */
export interface UnstoredText {
  what: string;
  hint: string;
}

/**
 * Throws MusterError `failed`, or `no_quorum`, with `known` when the store is known not to have stored something, and `unreachable` with
 * `unknown` when it may have stored it. It throws other errors as they are.
 */
export function throwUnstored(error: unknown, known: UnstoredText, unknown: UnstoredText = known): never {
  if (!(error instanceof BrokerError)) throw error;
  const hasFailed = isKnownToHaveFailed(error);
  const { what, hint } = hasFailed ? known : unknown;
  const text = `${what}: ${storeFault(error, 'the cluster store')} (${error.message})`;
  const code = error.fault === 'no_quorum' ? 'no_quorum' : hasFailed ? 'failed' : 'unreachable';
  throw new MusterError(code, text, { hint, cause: error });
}
