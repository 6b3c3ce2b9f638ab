// The configuration file as an operand: `muster config check FILE` means what `--config FILE` means.
import { MusterError } from '../../../system/errors.ts';

export const optionalOperands = {
  file: 'the configuration file, as with --config; without it, the usual one',
};

/** @throws MusterError `usage` when both are given. */
export function chosenFile({ config, operands }: ChoiceOfFile): string | undefined {
  if (config !== undefined && operands.file !== undefined) {
    throw new MusterError('usage', `two configuration files: ${operands.file}, and ${config} with --config`, {
      hint: 'give one of them',
    });
  }
  return operands.file ?? config;
}

interface ChoiceOfFile {
  readonly config: string | undefined;
  readonly operands: { readonly file?: string };
}
