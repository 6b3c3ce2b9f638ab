// Reads the build information that Go puts into a program as text: its modules, and the platform that it is for.

export interface Module {
  readonly path: string;
  readonly version: string;
  /** The sum in go.sum, `h1:` and a hash of all files; undefined for a module that was built from a checkout. */
  readonly sum: string | undefined;
}

export interface GoBuildInfo {
  /** The import path of the program. */
  readonly path: string;
  /** The version of the Go that built it, such as `1.26.8`; undefined when it is not there. */
  readonly go: string | undefined;
  /** The modules, the program's own first. */
  readonly modules: readonly Module[];
  /** The platform as Go names it, such as `linux/amd64`. */
  readonly platform: string;
}

/** Reads the information from a program; undefined when Go did not build it. `go version -m` prints the same lines. */
export function goBuildInfo(program: Buffer): GoBuildInfo | undefined {
  // Go's package debug/buildinfo searches for this mark too. Go's version and the text follow it.
  const mark = program.indexOf('\xff Go buildinf:', 0, 'latin1');
  const begin = mark < 0 ? -1 : program.indexOf('path\t', mark);
  if (begin < 0) return undefined;
  const text = program.toString('latin1', begin, begin + 65_536);
  const lines = /^path\t[^\n]+\n(?:(?:mod|dep|=>|build)\t[^\n]*\n)*/.exec(text)?.[0].split('\n') ?? [];
  const rows = lines.map(line => line.split('\t'));
  const setting = (name: string) =>
    rows
      .find(([kind, value]) => kind === 'build' && value?.startsWith(`${name}=`))?.[1]
      ?.slice(name.length + 1);
  const path = rows[0]?.[1] ?? '';
  const modules = rows
    .filter(([kind]) => kind === 'mod' || kind === 'dep')
    .map(([, name = '', version = '', sum]) => ({ path: name, version, sum: sum || undefined }));
  return {
    path,
    go: goVersionAt(program, mark),
    // Debian builds its programs without modules, so only the program itself is named.
    modules: modules.length > 0 ? modules : [{ path, version: '(devel)', sum: undefined }],
    platform: `${setting('GOOS')}/${setting('GOARCH')}`,
  };
}

/** Reads Go's version, which follows the header of 32 bytes and a byte with its length. */
function goVersionAt(program: Buffer, mark: number): string | undefined {
  const begin = mark + 33;
  return /^go(\d\S*)/.exec(program.toString('latin1', begin, begin + (program[mark + 32] ?? 0)))?.[1];
}
