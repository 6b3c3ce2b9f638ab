// How a test says that bytes or values must be refused: always as a ProtocolError, and by the field that is wrong.
import assert from 'node:assert/strict';
import { ProtocolError, type ProtocolFault } from '../../agent/protocol/error.ts';

/** `fn` must throw a ProtocolError of this fault that names this field, first thing in its message. */
export function refuses(fn: () => unknown, fault: ProtocolFault, field = '', about = field): ProtocolError {
  const error = thrownBy(fn, about);
  assert.equal(error.field, field, `${about}: ${error.message}`);
  assert.equal(error.fault, fault, `${about}: ${error.message}`);
  if (field) assert.ok(error.message.startsWith(`${field}: `), error.message);
  return error;
}

/** The ProtocolError that `fn` throws; anything else, or nothing, fails the test. */
export function thrownBy(fn: () => unknown, about: string): ProtocolError {
  const outcome = attempt(fn);
  assert.ok(outcome instanceof ProtocolError, `${about}: not refused`);
  return outcome;
}

/** What `fn` answers, or the ProtocolError it throws; any other error passes through and fails the test. */
export function attempt<T>(fn: () => T): T | ProtocolError {
  try {
    return fn();
  } catch (error) {
    if (error instanceof ProtocolError) return error;
    throw error;
  }
}
