// `muster config show`: every setting as it stands.
import { atPaths } from '../../../config/keys.ts';
import type { LoadedSettings } from '../../../config/load.ts';
import { settingsDocument, showSettings } from '../../../config/show.ts';
import { jsonText, yamlText } from '../../../output/data.ts';
import { print } from '../../../output/terminal.ts';
import type { Argv, FlagTable } from '../../line/command.ts';
import { outputFlag } from '../../line/output-flag.ts';
import { chosenFile, optionalOperands } from './file.ts';

export { optionalOperands };

export const settings = 'all';

export const flags = {
  origin: { help: 'also show where each value comes from, and what is not set' },
  output: outputFlag('yaml', 'json'),
} satisfies FlagTable;

export async function run(argv: Argv<typeof flags, never, 'file'>): Promise<number> {
  const { origin, output } = argv.flags;
  const loaded = await argv.load({ configFile: chosenFile(argv) });
  if (output === 'json') print(jsonText(origin ? rows(loaded) : nested(loaded)));
  else print(await yamlText(origin ? await settingsDocument(loaded) : nested(loaded)));
  return 0;
}

const rows = (loaded: LoadedSettings) =>
  showSettings(loaded).map(row => ({ ...row, value: row.value ?? null }));

/** The settings that have a value. */
const nested = (loaded: LoadedSettings) =>
  atPaths(
    showSettings(loaded).flatMap(({ key, value }) => (value === undefined ? [] : [[key, value] as const])),
  );
