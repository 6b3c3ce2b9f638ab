// Makes a root folder that contains only the packaged file and the C and C++ libraries that its Node needs.
import { execFile } from 'node:child_process';
import { chmod, copyFile, link, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The ids of a user and a group that own nothing. */
const user = 65_534;

export interface Conditions {
  /** Whether everything except /data is read-only. */
  readOnly?: boolean;
  /** Folders from which no program may run. They are empty and writable. */
  noexec?: readonly string[];
  /** Whether the program runs as a user who is not root and is in no list of users. */
  user?: boolean;
  /** The largest number of open files. */
  files?: number;
  /** Whether standard output and standard error are closed. */
  closed?: boolean;
  /** A library in the root that is loaded before all others. */
  preload?: string;
  /** The whole environment of the program. */
  env?: Readonly<Record<string, string>>;
}

export interface BareRoot {
  /** The names of the libraries in it. */
  readonly libraries: readonly string[];
  /** The folder that is /data in the root. The program may write there. */
  readonly data: string;
  /** Returns the command that runs `/muster` in it, without the arguments. */
  program(conditions?: Conditions): string[];
  /** Puts a file into it. */
  add(path: string, content: Uint8Array, mode?: number): Promise<void>;
  release(): Promise<void>;
}

/** Returns why no such root can be made here; undefined when it can. */
export async function whyNoBareRoot(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'a bare root needs the mounts of Linux';
  if (process.getuid?.() !== 0) return 'only root can change the root folder of a process';
  return await run('unshare', ['--mount', 'true']).then(
    () => undefined,
    () => 'a process cannot have its own mounts here, as in many containers',
  );
}

/** Makes a root folder for the executable `file`. */
export async function bareRoot(file: string): Promise<BareRoot> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-bare-'));
  const [root, data] = [join(folder, 'root'), join(folder, 'data')];
  for (const name of ['proc', 'dev', 'tmp', 'data', 'etc'])
    await mkdir(join(root, name), { recursive: true });
  for (const name of ['null', 'zero', 'urandom']) await writeFile(join(root, 'dev', name), '');
  await writeFile(join(root, preloads), '');
  await chmod(join(root, 'tmp'), 0o1777);
  await mkdir(data);
  // Root and another user may make folders of their own in it.
  await chmod(data, 0o1777);
  await link(file, join(root, 'muster')).catch(() => copyFile(file, join(root, 'muster')));
  const { stdout } = await run('ldd', [file]);
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path);
  for (const path of libraries) {
    await mkdir(join(root, dirname(path)), { recursive: true });
    await copyFile(path, join(root, path));
  }
  return {
    libraries: libraries.map(path => basename(path)),
    data,
    program: conditions => ['unshare', '--mount', 'sh', '-ec', scriptOf(conditions ?? {}), 'sh', root, data],
    add: (path, content, mode = 0o644) => writeFile(join(root, path), content, { mode }),
    release: () => rm(folder, { recursive: true, force: true }),
  };
}

/** The file with the libraries to load first. LD_PRELOAD would also affect the programs that change into the root. */
const preloads = 'etc/ld.so.preload';

/**
 * Returns a script that makes the mounts for `Conditions` and then becomes the program, so that both have the same process
 * id. The mounts end with it.
 */
function scriptOf({
  readOnly,
  noexec = [],
  user: asUser,
  files,
  closed,
  preload,
  env = {},
}: Conditions): string {
  const variables = Object.entries(env).map(([name, value]) => quoted(`${name}=${value}`));
  return [
    'root=$1 data=$2; shift 2',
    'chroot=$(PATH=$PATH:/usr/sbin command -v chroot)',
    'mount --bind "$root" "$root"',
    'mount -t proc proc "$root/proc"',
    'for name in null zero urandom; do mount --bind "/dev/$name" "$root/dev/$name"; done',
    'mount --bind "$data" "$root/data"',
    preload
      ? `echo ${preload} >"$data/.preload"; mount --bind "$data/.preload" "$root/${preloads}"; rm "$data/.preload"`
      : '',
    readOnly ? 'mount -o remount,bind,ro "$root"' : '',
    ...noexec.map(path =>
      path === '/data'
        ? 'mount -o remount,bind,noexec "$root/data"'
        : `mount -t tmpfs -o noexec,mode=1777 muster-test "$root${path}"`,
    ),
    files ? `ulimit -n ${files}` : '',
    closed ? 'exec >&- 2>&-' : '',
    `exec env -i ${variables.join(' ')} "$chroot" ${asUser ? `--userspec=${user}:${user}` : ''} "$root" /muster "$@"`,
  ]
    .filter(Boolean)
    .join('\n');
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
