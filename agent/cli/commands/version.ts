// `muster version` shows the version, the contents of the packaged file, and their licences.
import { withShownNames } from '../../output/member-names.ts';
import { print, printSlowly } from '../../output/terminal.ts';
import { MusterError } from '../../system/errors.ts';
import { version } from '../../system/version.ts';
import type { Argv, Example, FlagTable } from '../line/command.ts';
import { outputFlag } from '../line/output-flag.ts';

export const flags = {
  output: outputFlag('text', 'json'),
  licences: { help: 'print the licences of everything in the packaged file' },
} satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster version', 'show the version'],
  ['muster version -o json', 'also show the Node.js inside and the kind of machine'],
];

export async function run({ flags: { output, licences } }: Argv<typeof flags>): Promise<number> {
  if (licences) await printSlowly(await notices());
  else print(output === 'json' ? await versionJson() : versionText);
  return 0;
}

export const versionText = `muster ${version}\n`;

async function versionJson(): Promise<string> {
  const { packagedContents } = await import('../../system/packaged.ts');
  const { arch, platform, version: node } = process;
  // `packaged` is absent when the program runs from source.
  const document = { version, node, platform, arch, packaged: packagedContents() };
  return `${JSON.stringify(withShownNames(document))}\n`;
}

async function notices(): Promise<string> {
  const { isPackaged, readAsset } = await import('../../system/packaged.ts');
  if (isPackaged()) return Buffer.from(readAsset('notices')).toString('utf8');
  throw new MusterError('not_found', 'this muster runs from its source and carries no licences', {
    hint: 'the packaged file has them; from source, look into each package in node_modules',
  });
}
