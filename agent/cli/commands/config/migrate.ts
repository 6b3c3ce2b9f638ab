// `muster config migrate` turns a configuration of Bacalhau into one of muster.
import { open, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { migrate } from '../../../config/bacalhau/migrate.ts';
import { checkText } from '../../../config/check-text.ts';
import { readConfigText } from '../../../config/file.ts';
import { yamlText } from '../../../output/data.ts';
import { note, print, warn } from '../../../output/terminal.ts';
import { errnoOf, MusterError } from '../../../system/errors.ts';
import { notWritable } from '../../../system/files.ts';
import { isLoopback } from '../../../system/loopback.ts';
import { printable } from '../../../system/printable.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';

export const operands = { file: 'a configuration file of Bacalhau 1.4, or of 1.5 and later' };

export const flags = {
  output: {
    value: 'FILE',
    help: 'write a new file that only its owner can read, with the secrets; default: standard output, without the secrets',
  },
} as const satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster config migrate ~/.bacalhau/config.yaml', 'look at the result first'],
  ['muster config migrate bacalhau.yaml --output muster.yaml', 'write the result into a new file'],
];

/** Number of warnings that are shown, and of notes. More would not help an operator. */
const maxLines = 200;

export async function run(argv: Argv<typeof flags, keyof typeof operands>): Promise<number> {
  const { output } = argv.flags;
  const path = resolve(argv.operands.file);
  const secrets = output === undefined ? 'point' : 'write';
  const { document, dropped, notes } = await migrate(await textOf(path), {
    path,
    secrets,
    mayListenOn: isLoopback,
  });
  const text = await yamlText(document);
  const where = output === undefined ? 'the result' : resolve(output);
  const { faults, warnings } = checkText(text, where);
  // The result must load. A fault in it is an error of this program.
  if (faults.length > 0) throw new Error(`the result does not load: ${faults.join('; ')}`);
  if (output === undefined) print(text);
  else await writeNew(where, text);
  for (const line of shortened([...dropped, ...warnings])) warn(printable(line, 4096));
  for (const line of shortened(notes)) note(`Note:  ${printable(line, 4096)}`);
  return 0;
}

async function textOf(path: string): Promise<string> {
  const file = await readConfigText(path);
  if (file && 'text' in file) return file.text;
  throw new MusterError('bad_config', file?.fault ?? `${path}: there is no such file`);
}

/** Writes a new file. It never replaces an existing one. */
async function writeNew(path: string, text: string): Promise<void> {
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') {
      throw new MusterError('not_writable', `${path} exists already and was not changed`, {
        hint: 'name a new file with --output, or move the old one away',
      });
    }
    throw new MusterError('not_writable', notWritable(path, error).message, { cause: error });
  }
}

function shortened(lines: readonly string[]): string[] {
  const more = lines.length - maxLines;
  return more > 0 ? [...lines.slice(0, maxLines), `and ${more} more`] : [...lines];
}
