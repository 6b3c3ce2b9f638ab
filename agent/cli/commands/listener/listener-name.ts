// Checks the name of a listener on a command line.
import { listenerNamePattern } from '../../../protocol/listener.ts';
import { MusterError } from '../../../system/errors.ts';
import { printable } from '../../../system/printable.ts';

/** Throws MusterError `usage` when `name` cannot be the name of a listener. */
export function checkListenerName(name: string): void {
  if (listenerNamePattern.test(name)) return;
  throw new MusterError('usage', `"${printable(name, 100)}" is not the name of a listener`, {
    hint: 'a name has 1 to 64 letters, digits, - and _',
  });
}
