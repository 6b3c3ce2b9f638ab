// Finds a real nats-server that is new enough to be the embedded broker.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { MusterError, reasonOf } from '../system/errors.ts';
import { printable } from '../system/printable.ts';

export interface Binary {
  path: string;
  version: string;
}

/** The least version: the first whose store can be told to sync each write (`sync_interval: always`). */
const least = { major: 2, minor: 10 };

const howToInstall =
  'install nats-server 2.10 or newer (Debian: apt install nats-server; macOS: brew install nats-server; ' +
  'anywhere: go install github.com/nats-io/nats-server/v2@latest) or name one with broker.binary';

/**
 * @param configured `broker.binary`; when undefined, `findOnPath` is asked for `nats-server`.
 * @throws MusterError when there is none, it does not run, or it is too old.
 */
export async function findBinary(
  configured: string | undefined,
  findOnPath: (name: string) => string | undefined | Promise<string | undefined>,
): Promise<Binary> {
  const path = configured ?? (await findOnPath('nats-server'));
  if (path === undefined)
    throw new MusterError('not_found', 'there is no nats-server on PATH to be the broker', {
      hint: howToInstall,
    });
  const where = configured === undefined ? path : `${path} (broker.binary)`;
  const output = await versionOf(path, where);
  const [, version, major, minor] = /nats-server: v((\d+)\.(\d+)\.\S+)/.exec(output) ?? [];
  if (version === undefined)
    throw new MusterError(
      'failed',
      `${where} is no nats-server: it says "${printable(output.trim(), 100)}"`,
      {
        hint: howToInstall,
      },
    );
  const enough =
    Number(major) > least.major || (Number(major) === least.major && Number(minor) >= least.minor);
  if (!enough)
    throw new MusterError(
      'failed',
      `${where} is nats-server ${version}; at least ${least.major}.${least.minor} is needed`,
      { hint: howToInstall },
    );
  return { path, version };
}

async function versionOf(path: string, where: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(path, ['--version'], {
      timeout: 10_000,
      killSignal: 'SIGKILL',
      maxBuffer: 65_536,
      env: {},
    });
    return stdout;
  } catch (cause) {
    throw new MusterError('failed', `cannot run ${where} to ask for its version: ${reasonOf(cause)}`, {
      hint: howToInstall,
      cause,
    });
  }
}
