// Which packages of Debian a program of Linux needs, from what it asks of shared libraries.
import { MusterError } from '../../agent/system/errors.ts';
import { tool } from './tool.ts';

/** What a program asks for: each library by name, with the versions of symbols that it wants of it. */
export type Wanted = ReadonlyMap<string, readonly string[]>;

/** Reads it out of `file`, which may be for another processor than this machine's. Throws MusterError without readelf. */
export async function wantedBy(file: string): Promise<Wanted> {
  const args = ['--wide', '--dynamic', '--version-info', file];
  return readWanted(await tool('readelf', args, { env: { LC_ALL: 'C' } }));
}

/** What readelf said of a program, read. */
export function readWanted(text: string): Wanted {
  const wanted = new Map<string, string[]>();
  let versions: string[] | undefined;
  for (const line of text.split('\n')) {
    const needed = /\(NEEDED\)\s+Shared library: \[(.+)\]/.exec(line)?.[1];
    if (needed) wanted.set(needed, wanted.get(needed) ?? []);
    const library = /\bFile: (\S+)\s+Cnt:/.exec(line)?.[1];
    if (library) {
      versions = wanted.get(library) ?? [];
      wanted.set(library, versions);
    }
    const name = /\bName: (\S+)\s+Flags:/.exec(line)?.[1];
    // Those before the first library are the ones that a library itself has.
    if (name) versions?.push(name);
  }
  return wanted;
}

/**
 * The relations for `Depends` that hold for all of `programs`.
 * @throws MusterError when one asks for what no package is known for.
 */
export function dependsOf(programs: readonly Wanted[]): string[] {
  const least = new Map<string, string>();
  for (const [library, versions] of programs.flatMap(wanted => [...wanted])) {
    const name = Object.keys(packages).find(each => packages[each]?.libraries.test(library));
    if (!name) throw new MusterError('failed', `nothing is known of the package that holds ${library}`);
    const asked = versions.map(version => packages[name]?.since(version) ?? refuse(library, version));
    least.set(name, [least.get(name) ?? '', ...asked].reduce(newer));
  }
  return [...least].sort().map(([name, version]) => (version ? `${name} (>= ${version})` : name));
}

interface Package {
  readonly libraries: RegExp;
  /** The version of the package that first had this version of symbols: '' where any has it that is still about. */
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

/** GCC's by the last number of GLIBCXX_3.4.N and CXXABI_1.3.N (https://gcc.gnu.org/onlinedocs/libstdc++/manual/abi.html). */
const library = ['5', '6', '7', '7.2', '8', '9', '9.2', '9.3', '11', '12', '13', '13.2', '14', '15'];
const abi = ['5', '6', '7', '9.2', '11', '13', '14', '15'];

function compilerOf(version: string): string | undefined {
  const [, kind, last = '0'] = /^(GLIBCXX_3\.4|CXXABI_1\.3)(?:\.(\d+))?$/.exec(version) ?? [];
  if (!kind) return undefined;
  const [list, first] = kind === 'CXXABI_1.3' ? [abi, 9] : [library, 21];
  return Number(last) < first ? '' : list[Number(last) - first];
}

function refuse(name: string, version: string): never {
  throw new MusterError('failed', `nothing is known of ${version}, which is asked of ${name}`);
}

/** Of two versions, made of numbers and dots. */
function newer(a: string, b: string): string {
  const [left, right] = [a, b].map(each => each.split('.').map(Number));
  const [one, other] = [left ?? [], right ?? []];
  for (let at = 0; at < Math.max(one.length, other.length); at++) {
    const difference = (one[at] ?? 0) - (other[at] ?? 0);
    if (difference !== 0) return difference > 0 ? a : b;
  }
  return a;
}
