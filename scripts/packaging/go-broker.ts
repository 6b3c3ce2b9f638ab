// Builds the pinned nats-server for a target with Go. The result is kept, because a build takes more than a minute of CPU time.
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MusterError } from '../../agent/system/errors.ts';
import { checkout } from './checkout.ts';
import { goBuildInfo } from './go-build-info.ts';
import { keptFolder } from './kept-folder.ts';
import type { Target } from './target.ts';
import { tool } from './tool.ts';

export interface GoBroker {
  readonly binary: string;
  /** The folder with the licence files. Each module has a folder `MODULE@VERSION` in it, and Go itself has `go`. */
  readonly licences: string;
}

/** Returns the version that scripts/setup.sh pins. */
export async function pinnedVersion(): Promise<string> {
  const version = /^nats_pinned=(v\S+)$/m.exec(
    await readFile(join(checkout, 'scripts/setup.sh'), 'utf8'),
  )?.[1];
  if (version) return version;
  throw new MusterError('bad_config', 'scripts/setup.sh pins no version of nats-server');
}

/** Returns Go's version, such as `go1.26.8`; undefined when there is no Go. */
export const goVersion = (): Promise<string | undefined> =>
  tool('go', ['env', 'GOVERSION']).then(
    text => text.trim() || undefined,
    () => undefined,
  );

/**
 * Builds nats-server, or returns what was kept of an earlier build.
 * @throws MusterError when it cannot be built; the message contains what Go printed.
 */
export async function goBroker(target: Target, version: string, go: string): Promise<GoBroker> {
  const kept = join(await keptFolder('nats-server'), `${version}-${target.name}-${go}`);
  const result = { binary: join(kept, 'nats-server'), licences: join(kept, 'licences') };
  if (await stat(result.binary).catch(() => undefined)) return result;
  const work = await mkdtemp(`${kept}.`);
  try {
    await build(target, version, work);
    await rm(kept, { recursive: true, force: true });
    await rename(join(work, 'kept'), kept);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return result;
}

async function build(target: Target, version: string, work: string): Promise<void> {
  const modules = join(work, 'modules');
  // Without C, paths of this machine and symbols, the bytes are the same everywhere and run on any Linux. All that Go
  // downloads is removed with `work`.
  const env = {
    GOPATH: work,
    GOBIN: '',
    GOMODCACHE: modules,
    GOCACHE: join(work, 'cache'),
    GOFLAGS: '-modcacherw',
    GOTOOLCHAIN: 'auto',
    CGO_ENABLED: '0',
    GOOS: target.platform,
    GOARCH: target.goArch,
  };
  const program = `github.com/nats-io/nats-server/v2@${version}`;
  await tool('go', ['install', '-trimpath', '-ldflags=-s -w', program], { env });
  // Go puts a program for another kind of machine into a subfolder.
  const made = (await readdir(join(work, 'bin'), { recursive: true })).find(name =>
    name.endsWith('nats-server'),
  );
  if (!made) throw new MusterError('failed', 'go install made no nats-server');
  const kept = join(work, 'kept');
  await mkdir(kept);
  await rename(join(work, 'bin', made), join(kept, 'nats-server'));
  const info = goBuildInfo(await readFile(join(kept, 'nats-server')));
  for (const { path, version: used } of info?.modules ?? [])
    await copyLicences(join(modules, `${escaped(path)}@${used}`), join(kept, 'licences', `${path}@${used}`));
  await copyLicences((await tool('go', ['env', 'GOROOT'], { env })).trim(), join(kept, 'licences/go'));
}

/**
 * Returns a path as Go's module cache writes it: a capital letter becomes `!` and the small letter
 * (https://go.dev/ref/mod#module-cache).
 */
const escaped = (path: string): string => path.replace(/[A-Z]/g, letter => `!${letter.toLowerCase()}`);

async function copyLicences(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const name of await readdir(from))
    if (/^(licen[cs]e|copying|notice|patents)/i.test(name))
      await cp(join(from, name), join(to, name), { recursive: true });
}
