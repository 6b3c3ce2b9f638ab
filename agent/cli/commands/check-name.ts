// Checks the name of an operator or a listener on a command line.
import { listenerNamePattern } from '../../protocol/listener.ts';
import { operatorNamePattern } from '../../protocol/operator-token.ts';
import { MusterError } from '../../system/errors.ts';
import { printable } from '../../system/printable.ts';

const patterns = { 'an operator': operatorNamePattern, 'a listener': listenerNamePattern };

/** Throws MusterError `usage` when `name` cannot be the name of `whom`. */
export function checkName(name: string, whom: keyof typeof patterns): void {
  if (patterns[whom].test(name)) return;
  throw new MusterError('usage', `"${printable(name, 100)}" is not the name of ${whom}`, {
    hint: 'a name has 1 to 64 letters, digits, - and _',
  });
}
