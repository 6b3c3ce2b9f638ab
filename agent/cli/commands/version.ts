// `muster version`: which muster this is, what its file carries, and under which licences.

import { print, printSlowly } from '../../output/terminal.ts';
import { MusterError } from '../../system/errors.ts';
import { version } from '../../system/version.ts';
import type { Argv, FlagTable } from '../line/command.ts';
import { outputFlag } from '../line/output-flag.ts';

export const flags = {
  output: outputFlag('text', 'json'),
  licences: { help: 'print the licences and notices of all that the packaged file carries' },
} satisfies FlagTable;

export async function run({ flags: { output, licences } }: Argv<typeof flags>): Promise<number> {
  if (licences) await printSlowly(await notices());
  else print(output === 'json' ? await versionJson() : versionText);
  return 0;
}

export const versionText = `muster ${version}\n`;

async function versionJson(): Promise<string> {
  const { packagedContents } = await import('../../system/packaged.ts');
  const { arch, platform, version: node } = process;
  // Absent when run from source.
  return `${JSON.stringify({ version, node, platform, arch, packaged: packagedContents() })}\n`;
}

async function notices(): Promise<string> {
  const { isPackaged, readAsset } = await import('../../system/packaged.ts');
  if (isPackaged()) return Buffer.from(readAsset('notices')).toString('utf8');
  throw new MusterError('not_found', 'this muster runs from source and carries no notices', {
    hint: 'each package in node_modules has its own licence; the packaged file carries them all',
  });
}
