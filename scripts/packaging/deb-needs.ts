// Finds the Debian packages that a Linux program depends on, from the shared libraries that it uses.
import { MusterError } from '../../agent/system/errors.ts';
import { tool } from './tool.ts';

/** The shared libraries that a program uses, by name, each with the versions of symbols that it uses of it. */
export type NeededLibraries = ReadonlyMap<string, readonly string[]>;

/**
 * Reads what the program `file` needs, which may be for another processor than this machine's.
 * @throws MusterError when readelf is missing or cannot read the file.
 */
export async function librariesOf(file: string): Promise<NeededLibraries> {
  const args = ['--wide', '--dynamic', '--version-info', file];
  return parseReadelf(await tool('readelf', args, { env: { LC_ALL: 'C' } }));
}

/** Parses what `readelf --dynamic --version-info` prints. */
export function parseReadelf(text: string): NeededLibraries {
  const libraries = new Map<string, string[]>();
  let versions: string[] | undefined;
  for (const line of text.split('\n')) {
    const needed = /\(NEEDED\)\s+Shared library: \[(.+)\]/.exec(line)?.[1];
    if (needed) libraries.set(needed, libraries.get(needed) ?? []);
    const library = /\bFile: (\S+)\s+Cnt:/.exec(line)?.[1];
    if (library) {
      versions = libraries.get(library) ?? [];
      libraries.set(library, versions);
    }
    const name = /\bName: (\S+)\s+Flags:/.exec(line)?.[1];
    // The versions before the first library are those that the program itself defines.
    if (name) versions?.push(name);
  }
  return libraries;
}

/**
 * Returns the entries of `Depends` that suit all of `programs`.
 * @throws MusterError when a program uses a library or a version that is not in the table below.
 */
export function dependsOf(programs: readonly NeededLibraries[]): string[] {
  const least = new Map<string, string>();
  for (const [library, versions] of programs.flatMap(libraries => [...libraries])) {
    const name = Object.keys(packages).find(each => packages[each]?.libraries.test(library));
    if (!name) throw new MusterError('failed', `no Debian package is known that has ${library}`);
    const asked = versions.map(version => packages[name]?.since(version) ?? refuse(library, version));
    least.set(name, [least.get(name) ?? '', ...asked].reduce(newer));
  }
  return [...least].sort().map(([name, version]) => (version ? `${name} (>= ${version})` : name));
}

interface Package {
  readonly libraries: RegExp;
  /** Returns the first version of the package that has these symbols; '' when every version has, undefined when unknown. */
  since(version: string): string | undefined;
}

const packages: Readonly<Record<string, Package>> = {
  libc6: {
    libraries: /^(lib(c|m|rt)\.so\.6|librt\.so\.1|lib(dl|util)\.so\.2|libpthread\.so\.0|ld-linux.*\.so\.\d)$/,
    since: version => (version === 'GLIBC_ABI_DT_RELR' ? '2.36' : /^GLIBC_(\d[\d.]*)$/.exec(version)?.[1]),
  },
  'libgcc-s1': {
    libraries: /^libgcc_s\.so\.1$/,
    since: version => (/^GCC_[34]\./.test(version) ? '' : undefined),
  },
  'libstdc++6': { libraries: /^libstdc\+\+\.so\.6$/, since: compilerOf },
  libatomic1: {
    libraries: /^libatomic\.so\.1$/,
    since: version => (/^LIBATOMIC_1\.[012]$/.test(version) ? '' : undefined),
  },
};

/** GCC's versions, by the last number N of GLIBCXX_3.4.N (https://gcc.gnu.org/onlinedocs/libstdc++/manual/abi.html). */
const library = ['5', '6', '7', '7.2', '8', '9', '9.2', '9.3', '11', '12', '13', '13.2', '14', '15'];
/** GCC's versions, by the last number N of CXXABI_1.3.N. */
const abi = ['5', '6', '7', '9.2', '11', '13', '14', '15'];

function compilerOf(version: string): string | undefined {
  const [, kind, last = '0'] = /^(GLIBCXX_3\.4|CXXABI_1\.3)(?:\.(\d+))?$/.exec(version) ?? [];
  if (!kind) return undefined;
  const [list, first] = kind === 'CXXABI_1.3' ? [abi, 9] : [library, 21];
  return Number(last) < first ? '' : list[Number(last) - first];
}

function refuse(name: string, version: string): never {
  throw new MusterError(
    'failed',
    `it is not known which version of a Debian package has ${version} of ${name}`,
  );
}

/** Returns the newer of two versions that consist of numbers and dots. */
function newer(a: string, b: string): string {
  const [left, right] = [a, b].map(each => each.split('.').map(Number));
  const [one, other] = [left ?? [], right ?? []];
  for (let at = 0; at < Math.max(one.length, other.length); at++) {
    const difference = (one[at] ?? 0) - (other[at] ?? 0);
    if (difference !== 0) return difference > 0 ? a : b;
  }
  return a;
}
