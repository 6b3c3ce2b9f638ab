// Check: the settings load, say nothing doubtful, and the files that they name are there.
import type { LoadedSettings } from '../../config/load.ts';
import { MusterError, reasonOf } from '../../system/errors.ts';
import { fileDoubts } from '../config-files.ts';
import { type Check, failed, ok, warning } from './check.ts';

const remedy = 'correct it where the line says; "muster config check" tells when it is right';

/** `loaded` is what loading came to: the settings, or what was thrown. */
export const configuration = (loaded: LoadedSettings | { thrown: unknown }): Check => ({
  name: 'configuration',
  async look() {
    if ('thrown' in loaded) return faultsIn(loaded.thrown).map(text => failed(text, remedy));
    const { file, places, warnings } = loaded;
    const found = file ?? `no file, so the defaults hold (looked for ${places.join(', ')})`;
    const doubts = [...warnings, ...(await fileDoubts(loaded))];
    return [ok(found), ...doubts.map(text => warning(text, remedy))];
  },
});

function faultsIn(error: unknown): string[] {
  if (!(error instanceof MusterError)) throw error;
  // One line for each.
  return error.code === 'bad_config' ? error.message.split('\n') : [reasonOf(error)];
}
