// What a program built by Go says of itself: the modules it was made from, and for which machine. Go puts it there as text.

export interface Module {
  readonly path: string;
  readonly version: string;
  /** As go.sum has it: `h1:` and a hash of all its files; undefined for a module that was built from a checkout. */
  readonly sum: string | undefined;
}

export interface GoBuildInfo {
  /** Import path of the program. */
  readonly path: string;
  /** Of the Go that built it, such as `1.26.8`; undefined when it does not say. */
  readonly go: string | undefined;
  /** The program's module first. */
  readonly modules: readonly Module[];
  /** As Go names it: `linux/amd64`. */
  readonly platform: string;
}

/** Reads it out of a program; undefined when Go did not build it. The lines are those of `go version -m`. */
export function goBuildInfo(program: Buffer): GoBuildInfo | undefined {
  // After the mark of debug/buildinfo come Go's version and, soon, the text.
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
    // Debian builds without modules: then nothing but the program itself is named.
    modules: modules.length > 0 ? modules : [{ path, version: '(devel)', sum: undefined }],
    platform: `${setting('GOOS')}/${setting('GOARCH')}`,
  };
}

/** Go's version stands behind the head of 32 bytes, after its own length. */
function goVersionAt(program: Buffer, mark: number): string | undefined {
  const begin = mark + 33;
  return /^go(\d\S*)/.exec(program.toString('latin1', begin, begin + (program[mark + 32] ?? 0)))?.[1];
}
