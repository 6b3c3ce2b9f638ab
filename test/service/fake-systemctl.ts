// Makes a shell script that replaces systemctl: it records how it was called, and answers as systemd would.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Keeps the state of each unit in files beside itself: `enabled` and `active` exist or not, and `show` has additional
 * lines.
 */
const script = `#!/bin/sh
dir=\${0%/*}
echo "$*" >>"$dir/calls"
if [ -f "$dir/complaint" ] && [ "$1" = "$(cat "$dir/failing")" ]; then cat "$dir/complaint" >&2; exit 1; fi
root=
case $1 in --user) shift ;; --root=*) root=$1; shift ;; esac
for name; do :; done
unit=$(cat "$dir/units")/$name
of=$dir/$name
case $1 in
  --version) echo 'systemd 252 (252.39-1)'; echo '+PAM' ;;
  show)
    if [ -f "$unit" ]; then echo LoadState=loaded; else echo LoadState=not-found; fi
    if [ -f "$of.enabled" ]; then echo UnitFileState=enabled; else echo UnitFileState=disabled; fi
    if [ -f "$of.active" ]; then
      echo ActiveState=active; echo SubState=running; echo MainPID=4242
      echo 'ActiveEnterTimestamp=Tue 2026-11-24 18:01:10 UTC'
    else echo ActiveState=inactive; echo SubState=dead; echo MainPID=0; fi
    [ ! -f "$of.show" ] || cat "$of.show"
    ;;
  is-enabled) if [ -f "$of.enabled" ]; then echo enabled; else echo disabled; exit 1; fi ;;
  enable) : >"$of.enabled" ;;
  disable) rm -f "$of.enabled"; [ "$2" != --now ] || rm -f "$of.active" ;;
  start | restart) : >"$of.active" ;;
  stop) rm -f "$of.active" ;;
  daemon-reload) ;;
  reset-failed) rm -f "$of.show" ;;
  *) echo "Unknown command verb $1." >&2; exit 1 ;;
esac
`;

export class FakeSystemctl {
  readonly folder: string;
  readonly program: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.program = join(folder, 'systemctl');
  }

  /** Writes the script into `folder`. `units` is the folder with the unit files. */
  static async make(folder: string, units: string): Promise<FakeSystemctl> {
    await mkdir(folder, { recursive: true });
    const fake = new FakeSystemctl(folder);
    await writeFile(fake.program, script, { mode: 0o755 });
    await writeFile(join(folder, 'units'), units);
    return fake;
  }

  /** Returns the calls since the last time, without those that only ask for the state. */
  async calls(): Promise<string[]> {
    const path = join(this.folder, 'calls');
    const lines = (await readFile(path, 'utf8').catch(() => '')).split('\n').filter(Boolean);
    await writeFile(path, '');
    return lines.filter(line => !/^(--user )?(show|--version|--root=\S+ is-enabled)/.test(line));
  }

  /** Adds lines to what `show` prints for the unit. */
  async shows(unit: string, more: string): Promise<void> {
    await writeFile(join(this.folder, `${unit}.show`), more);
  }

  /** Makes the command `verb` fail with the message `complaint`. */
  async fails(verb: string, complaint: string): Promise<void> {
    await writeFile(join(this.folder, 'failing'), verb);
    await writeFile(join(this.folder, 'complaint'), complaint);
  }
}
