// Reads the configuration file from the operand: `muster config check FILE` means the same as `--config FILE`.
import { MusterError } from '../../../system/errors.ts';

export const optionalOperands = {
  file: 'a configuration file, as with --config; default: the usual one',
};

/** Returns the file in the command line. @throws MusterError `usage` when there are two files. */
export function chosenFile({ config, operands }: NamedFiles): string | undefined {
  if (config !== undefined && operands.file !== undefined) {
    throw new MusterError(
      'usage',
      `two configuration files were named: ${operands.file}, and ${config} with --config`,
      {
        hint: 'name one of them',
      },
    );
  }
  return operands.file ?? config;
}

interface NamedFiles {
  readonly config: string | undefined;
  readonly operands: { readonly file?: string };
}
