// Checks that the settings load without warnings, and that the files named in them can be used.
import type { LoadedSettings } from '../../config/load.ts';
import { isRoot, refusedFileLines } from '../../roles/refused-paths.ts';
import { checkSettingFiles } from '../../roles/setting-files.ts';
import { MusterError, reasonOf } from '../../system/errors.ts';
import { type Check, type Finding, failed, ok, warning } from './check.ts';

const remedy = 'correct it at that place; "muster config check" shows whether it is right';
/** Matches the fault of a file that cannot be read. It has no line to correct. */
const unread = /: (cannot be read: .*|there is no such file)$/;
const access =
  'name the right file, or let the user of the role read it; "muster config check" shows whether it can';

/** Matches a line about something that others may change. Such a line says itself what to do. */
const shared = /: (root does not (use|run)|others may change) /;
const ownership = 'let nobody else write it, as the line says; root refuses what others may change';

/** Returns the check. `loaded` is the result of loading: the settings, or the error. */
export const configuration = (loaded: LoadedSettings | { thrown: unknown }): Check => ({
  name: 'configuration',
  async run() {
    if ('thrown' in loaded) return faultsIn(loaded.thrown);
    const { file, places, warnings } = loaded;
    const source = file ?? `there is no file, so the defaults are used (searched: ${places.join(', ')})`;
    const refused = await refusedFileLines(undefined, loaded);
    const doubts = [...warnings, ...(await checkSettingFiles(loaded)), ...(isRoot() ? [] : refused)];
    return [
      ok(source),
      ...(isRoot() ? refused : []).map(text => failed(text, ownership)),
      ...doubts.map(text => warning(text, shared.test(text) ? ownership : remedy)),
    ];
  },
});

// An error without a line to correct has a hint of its own.
function faultsIn(error: unknown): Finding[] {
  if (!(error instanceof MusterError)) throw error;
  const texts = error.code === 'bad_config' ? error.message.split('\n') : [reasonOf(error)];
  return texts.map(text =>
    failed(text, error.hint ?? (unread.test(text) ? access : shared.test(text) ? ownership : remedy)),
  );
}
