// Check: the settings load, say nothing doubtful, and the files that they name are there.
import type { LoadedSettings } from '../../config/load.ts';
import { checkSettingFiles } from '../../roles/setting-files.ts';
import { MusterError, reasonOf } from '../../system/errors.ts';
import { type Check, type Finding, failed, ok, warning } from './check.ts';

const remedy = 'correct it where the line says; "muster config check" tells when it is right';
/** What is wrong with a file as a whole has no line to correct. */
const unread = /: (cannot be read: .*|there is no such file)$/;
const access =
  'name the right file, or let the user of the role read it; "muster config check" tells when it can';

/** `loaded` is what loading came to: the settings, or what was thrown. */
export const configuration = (loaded: LoadedSettings | { thrown: unknown }): Check => ({
  name: 'configuration',
  async run() {
    if ('thrown' in loaded) return faultsIn(loaded.thrown);
    const { file, places, warnings } = loaded;
    const found = file ?? `no file, so the defaults hold (looked for ${places.join(', ')})`;
    const doubts = [...warnings, ...(await checkSettingFiles(loaded))];
    return [ok(found), ...doubts.map(text => warning(text, remedy))];
  },
});

// One line for each. What is set nowhere has no line to correct, and says by itself what to do.
function faultsIn(error: unknown): Finding[] {
  if (!(error instanceof MusterError)) throw error;
  const texts = error.code === 'bad_config' ? error.message.split('\n') : [reasonOf(error)];
  return texts.map(text => failed(text, error.hint ?? (unread.test(text) ? access : remedy)));
}
