// `muster version`: which muster this is.
import { choice } from '../config/kind.ts';
import { version } from '../system/version.ts';
import type { Argv, FlagTable } from './command.ts';
import { print } from './terminal.ts';

export const flags = {
  output: {
    value: 'FORMAT',
    short: 'o',
    kind: choice('text', 'json'),
    default: 'text',
    help: 'how to print it',
  },
} satisfies FlagTable;

export async function run({ flags: { output } }: Argv<typeof flags>): Promise<number> {
  const { arch, platform, version: node } = process;
  print(output === 'json' ? `${JSON.stringify({ version, node, platform, arch })}\n` : versionText);
  return 0;
}

export const versionText = `muster ${version}\n`;
