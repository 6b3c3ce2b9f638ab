// `muster config show`: every setting as it stands.
import type { LoadedSettings } from '../config/load.ts';
import { settingsDocument, showSettings } from '../config/show.ts';
import type { Argv, FlagTable } from './command.ts';
import { chosenFile, optionalOperands } from './config-file.ts';
import { jsonText, yamlText } from './data.ts';
import { outputFlag } from './output-flag.ts';
import { print } from './terminal.ts';

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

/** The settings that have a value, as a configuration file would nest them. */
function nested(loaded: LoadedSettings): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const { key, value } of showSettings(loaded)) {
    if (value === undefined) continue;
    const path = key.split('.');
    const last = path.pop() ?? key;
    let group = root;
    for (const name of path) {
      group[name] ??= {};
      group = group[name] as Record<string, unknown>;
    }
    group[last] = value;
  }
  return root;
}
