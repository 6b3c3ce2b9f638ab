// Checks the name of an operator on a command line.
import { operatorNamePattern } from '../../../protocol/operator-token.ts';
import { MusterError } from '../../../system/errors.ts';
import { printable } from '../../../system/printable.ts';

/** Throws MusterError `usage` when `name` cannot be the name of an operator. */
export function checkOperatorName(name: string): void {
  if (operatorNamePattern.test(name)) return;
  throw new MusterError('usage', `"${printable(name, 100)}" is not the name of an operator`, {
    hint: 'a name has 1 to 64 letters, digits, - and _',
  });
}
