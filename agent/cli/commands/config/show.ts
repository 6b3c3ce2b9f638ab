// `muster config show` shows every setting with its value.
import { nestValues } from '../../../config/keys.ts';
import type { LoadedSettings } from '../../../config/load.ts';
import { settingsDocument, showSettings } from '../../../config/show.ts';
import { jsonText, yamlText } from '../../../output/data.ts';
import { print } from '../../../output/terminal.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { outputFlag } from '../../line/output-flag.ts';
import { chosenFile, optionalOperands } from './file.ts';

export { optionalOperands };

export const settings = 'all';

export const flags = {
  origin: { help: 'also show where each value comes from, and the settings without a value' },
  output: outputFlag('yaml', 'json'),
} satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster config show --origin', 'show where each value comes from'],
  ['muster config show muster.yaml -o json', 'show the settings of a file as JSON'],
];

export async function run(argv: Argv<typeof flags, never, 'file'>): Promise<number> {
  const { origin, output } = argv.flags;
  const loaded = await argv.load({ configFile: chosenFile(argv) });
  if (output === 'json') print(jsonText(origin ? rows(loaded) : nested(loaded)));
  else print(await yamlText(origin ? await settingsDocument(loaded) : nested(loaded)));
  return 0;
}

/** Returns all settings as rows, with null for a setting without a value. */
const rows = (loaded: LoadedSettings) =>
  showSettings(loaded).map(({ key, value, origin }) => ({ Key: key, Value: value ?? null, Origin: origin }));

/** Returns the settings that have a value, nested as in the file. */
const nested = (loaded: LoadedSettings) =>
  nestValues(
    showSettings(loaded).flatMap(({ key, value }) => (value === undefined ? [] : [[key, value] as const])),
  );
