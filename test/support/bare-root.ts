// A root folder with the packaged file, the C and C++ libraries that its Node needs, and nothing else: the barest host.
import { execFile } from 'node:child_process';
import { chmod, chown, copyFile, link, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Nobody in particular. */
const user = 65_534;

export interface Conditions {
  /** All but /data can only be read. */
  readOnly?: boolean;
  /** From these folders nothing may be run; they are empty, and may be written. */
  noexec?: readonly string[];
  /** As a user who is not root and has no entry anywhere. */
  user?: boolean;
  /** Files that may be open. */
  files?: number;
  /** Standard output and standard error are closed. */
  closed?: boolean;
  /** A library of the root that is loaded before all others. */
  preload?: string;
  /** All that is in the environment. */
  env?: Readonly<Record<string, string>>;
}

export interface BareRoot {
  /** Names of the libraries in it. */
  readonly libraries: readonly string[];
  /** The folder that it has as /data: its own and everybody's to write. */
  readonly data: string;
  /** What runs `/muster` in it, before the arguments. */
  program(conditions?: Conditions): string[];
  /** Puts a file into it. */
  add(path: string, content: Uint8Array, mode?: number): Promise<void>;
  release(): Promise<void>;
}

/** Why there can be none here; undefined when there can. */
export async function whyNoBareRoot(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'a bare root is made with the mounts of Linux';
  if (process.getuid?.() !== 0) return 'only root may change the root folder of a process';
  return await run('unshare', ['--mount', 'true']).then(
    () => undefined,
    () => 'no mounts of its own are allowed to a process here, as in many containers',
  );
}

export async function bareRoot(file: string): Promise<BareRoot> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-bare-'));
  const [root, data] = [join(folder, 'root'), join(folder, 'data')];
  for (const name of ['proc', 'dev', 'tmp', 'data', 'etc'])
    await mkdir(join(root, name), { recursive: true });
  for (const name of ['null', 'zero', 'urandom']) await writeFile(join(root, 'dev', name), '');
  await writeFile(join(root, preloads), '');
  await chmod(join(root, 'tmp'), 0o1777);
  await mkdir(data);
  await chown(data, user, user);
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

/** The file that names what the loader loads first. LD_PRELOAD would meet the programs that lead into the root, too. */
const preloads = 'etc/ld.so.preload';

/** Mounts what is asked for and becomes the program, so that the process id is the program's. Mounts end with it. */
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
