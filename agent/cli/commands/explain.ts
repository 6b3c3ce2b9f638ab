// `muster explain` says what became of a decision or another change, when the command that made it got no answer.
import { apiSettings, requesterApi } from '../../api/client.ts';
import { formatAs } from '../../output/data.ts';
import { print } from '../../output/terminal.ts';
import { ProtocolError } from '../../protocol/error.ts';
import type { OperationState } from '../../protocol/http-operations.ts';
import { readOperation } from '../../protocol/operation.ts';
import { exitCodes, MusterError } from '../../system/errors.ts';
import { printable } from '../../system/printable.ts';
import type { Argv, Example, FlagTable } from '../line/command.ts';
import { outputFlag } from '../line/output-flag.ts';
import { explainText } from './explain-text.ts';

export const settings = apiSettings;

export const operands = { operation: 'the id of an operation, as the error of a command names it' };

export const flags = {
  output: outputFlag('text', 'json', 'yaml'),
} satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster explain 019ac9d2-7c1e-7b3a-9f0e-5d2c8a41b6f7', 'see whether a decision stands'],
  ['muster explain 019ac9d2-7c1e-7b3a-9f0e-5d2c8a41b6f7 -o json', 'show it to a script'],
];

/** The exit code of each state: whether the decision was made, or that nobody can say so yet. */
const codes: Readonly<Record<OperationState, number>> = {
  stands: 0,
  overtaken: 0,
  refused: exitCodes.failed,
  unknown: exitCodes.not_found,
  under_way: exitCodes.unreachable,
};

/** Throws MusterError `usage` for what is no id of an operation, `unreachable` when nobody can say it now. */
export async function run(argv: Argv<typeof flags, keyof typeof operands>): Promise<number> {
  const operation = operationIn(argv.operands.operation);
  const api = await requesterApi(argv.load);
  const view = await api.explain(operation);
  print(await formatAs(argv.flags.output, view, () => explainText(view)));
  return codes[view.State];
}

function operationIn(text: string): string {
  try {
    return readOperation(text);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new MusterError('usage', `"${printable(text, 64)}" is no operation: ${error.message}`, {
      hint: 'the error of the command that got no answer names it, and so do events and the log of the requester',
    });
  }
}
