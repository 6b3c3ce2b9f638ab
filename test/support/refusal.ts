// Asserts that bytes or values are refused with a ProtocolError that names the wrong field.
import assert from 'node:assert/strict';
import { ProtocolError, type ProtocolFault } from '../../agent/protocol/error.ts';

/** Asserts that `fn` throws a ProtocolError with this fault, whose message begins with this field. */
export function refuses(fn: () => unknown, fault: ProtocolFault, field = '', about = field): ProtocolError {
  const error = thrownBy(fn, about);
  assert.equal(error.field, field, `${about}: ${error.message}`);
  assert.equal(error.fault, fault, `${about}: ${error.message}`);
  if (field) assert.ok(error.message.startsWith(`${field}: `), error.message);
  return error;
}

/** Returns the ProtocolError that `fn` throws. Anything else, or nothing, fails the test. */
export function thrownBy(fn: () => unknown, about: string): ProtocolError {
  const outcome = attempt(fn);
  assert.ok(outcome instanceof ProtocolError, `${about}: not refused`);
  return outcome;
}

/** Returns what `fn` returns, or the ProtocolError that it throws. Any other error fails the test. */
export function attempt<T>(fn: () => T): T | ProtocolError {
  try {
    return fn();
  } catch (error) {
    if (error instanceof ProtocolError) return error;
    throw error;
  }
}
