// Finds a nats-server that is new enough to be the embedded broker.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { errnoOf, MusterError, reasonOf } from '../system/errors.ts';
import type { Log } from '../system/log.ts';
import { describeWriter, findOtherWriter, writerRemedy } from '../system/path-trust.ts';
import { printable } from '../system/printable.ts';

export interface ServerBinary {
  path: string;
  version: string;
}

/** The first version that can write each message to the disk at once (`sync_interval: always`). */
const minimumVersion = { major: 2, minor: 10 };

const howToInstall =
  'install nats-server 2.10 or newer (Debian: apt install nats-server; macOS: brew install nats-server; ' +
  'anywhere: go install github.com/nats-io/nats-server/v2@latest) or name one with broker.binary';

/** The places where a nats-server is searched. */
export interface BinarySources {
  /** The setting `broker.binary`. When it is set, no other nats-server is used. */
  configured: string | undefined;
  /** Unpacks the nats-server of the packaged file; absent when the file contains none. */
  unpack?: (() => Promise<string>) | undefined;
  findOnPath: (name: string) => string | undefined | Promise<string | undefined>;
  log: Pick<Log, 'warn'>;
  /** Aborts the search. */
  signal?: AbortSignal | undefined;
}

/**
 * Returns a usable nats-server: the one of `broker.binary`, otherwise the one in the packaged file, otherwise the one on
 * PATH. @throws MusterError when there is none, it does not run, it is too old, or root would run a program that somebody
 * else may change; the reason of `signal` when that aborts.
 */
export async function findServerBinary({
  configured,
  unpack,
  findOnPath,
  log,
  signal,
}: BinarySources): Promise<ServerBinary> {
  if (configured !== undefined) {
    const where = `${configured} (broker.binary)`;
    await refuseSharedProgram(configured, where);
    return checkVersion(configured, where, signal);
  }
  const carried = unpack && (await checkCarried(unpack, signal));
  if (carried && 'path' in carried) return carried;
  const path = await findOnPath('nats-server');
  if (path === undefined) throw carried ?? noServerOnPath();
  if (carried)
    log.warn(
      { path, err: carried },
      'the nats-server in the packaged file cannot be used; the one on PATH is used',
    );
  await refuseSharedProgram(path, path);
  return checkVersion(path, path, signal);
}

/** Throws MusterError `bad_config` when root runs this process and somebody else may change the program. */
async function refuseSharedProgram(path: string, where: string): Promise<void> {
  if (process.geteuid?.() !== 0) return;
  const writer = await findOtherWriter(path).catch(() => undefined);
  if (!writer) return;
  throw new MusterError('bad_config', `root does not run ${where}, because ${describeWriter(writer)}`, {
    hint: writerRemedy(path, writer, '/usr/local/bin'),
  });
}

/** Returns the nats-server of the packaged file, or why it cannot be used. */
async function checkCarried(
  unpack: () => Promise<string>,
  signal: AbortSignal | undefined,
): Promise<ServerBinary | MusterError> {
  let path: string | undefined;
  try {
    path = await unpack();
    return await checkVersion(path, path, signal);
  } catch (error) {
    if (!(error instanceof MusterError)) throw error;
    if (path === undefined || errnoOf(error.cause) !== 'EACCES') return error;
    return new MusterError(
      'not_allowed',
      `the broker ${path} may not be run: its file system does not allow programs`,
      {
        hint: 'the file system is mounted noexec: name another nats-server with broker.binary, or move dataDir',
        cause: error.cause,
      },
    );
  }
}

function noServerOnPath(): MusterError {
  return new MusterError('not_found', 'there is no nats-server on PATH to be the broker', {
    hint: howToInstall,
  });
}

async function checkVersion(
  path: string,
  where: string,
  signal: AbortSignal | undefined,
): Promise<ServerBinary> {
  const output = await versionOf(path, where, signal);
  const [, version, major, minor] = /nats-server: v((\d+)\.(\d+)\.\S+)/.exec(output) ?? [];
  if (version === undefined)
    throw new MusterError(
      'failed',
      `${where} is not a nats-server: it says "${printable(output.trim(), 100)}"`,
      {
        hint: howToInstall,
      },
    );
  const enough =
    Number(major) > minimumVersion.major ||
    (Number(major) === minimumVersion.major && Number(minor) >= minimumVersion.minor);
  if (!enough)
    throw new MusterError(
      'failed',
      `${where} is nats-server ${version}; at least ${minimumVersion.major}.${minimumVersion.minor} is needed`,
      { hint: howToInstall },
    );
  return { path, version };
}

async function versionOf(path: string, where: string, signal: AbortSignal | undefined): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(path, ['--version'], {
      timeout: 10_000,
      killSignal: 'SIGKILL',
      maxBuffer: 65_536,
      env: {},
      ...(signal ? { signal } : {}),
    });
    return stdout;
  } catch (cause) {
    signal?.throwIfAborted();
    throw new MusterError('failed', `cannot run ${where} to ask for its version: ${reasonOf(cause)}`, {
      hint: howToInstall,
      cause,
    });
  }
}
