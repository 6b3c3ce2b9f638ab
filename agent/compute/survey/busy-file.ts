// Asks the file of a local scheduler whether this machine is busy, and with how much.
import { lstat, readFile } from 'node:fs/promises';
import { HangLimiter } from '../../host/inputs/hang-limiter.ts';
import type { Clock } from '../../system/clock.ts';
import { errnoOf } from '../../system/errors.ts';
import { openSafely } from '../../system/safe-open.ts';
import { privateFolderOf } from './private-folder.ts';

/** Time after which the file no longer is waited for, in milliseconds. */
const timeoutMs = 1_000;
/** Number of bytes that are read: a number needs no more. */
const maxBytes = 32;

export interface BusyFileOptions {
  /** The agent's settings. A reload may change the path. */
  settings: { readonly busyFile?: string | undefined };
  clock: Clock;
  /** Returns the text of /proc/self/mountinfo, which only Linux has. */
  mountInfo?: () => Promise<string>;
}

/**
 * A file that is there means that something runs. It may say how much by a whole number; any other content means one. Without
 * the file nothing runs. A file that cannot be read says neither, so the machine does not count as idle. Nor does a file say
 * anything that is missing in a folder of this service's own, where no scheduler can put it.
 */
export class BusyFile {
  readonly #options: BusyFileOptions;
  readonly #limiter: HangLimiter;
  #fault: string | undefined;

  constructor(options: BusyFileOptions) {
    this.#options = options;
    this.#limiter = new HangLimiter({ timeoutMs, maxHung: 1, clock: options.clock });
  }

  /** Why the file could not be read at the last look, as a sentence; undefined when it could be, or there is no setting. */
  get fault(): string | undefined {
    return this.#options.settings.busyFile === undefined ? undefined : this.#fault;
  }

  /** Looks at the file. Returns how much runs here; undefined when nobody can tell. Never throws. */
  async look(): Promise<number | undefined> {
    const { busyFile: path } = this.#options.settings;
    if (path === undefined) return undefined;
    const { value, fault } = await this.#limiter.ask(path, () => readStart(path));
    if (fault?.kind === 'absent') {
      this.#fault = await this.#whyHidden(path);
      return this.#fault === undefined ? 0 : undefined;
    }
    this.#fault = fault && `${path} ${fault.reason}`;
    return value === undefined ? undefined : runningIn(value);
  }

  async #whyHidden(path: string): Promise<string | undefined> {
    const { mountInfo = () => readFile('/proc/self/mountinfo', 'utf8') } = this.#options;
    const folder = privateFolderOf(path, await mountInfo().catch(() => ''));
    return folder && `this service has a ${folder} of its own, so it cannot see ${path} of the machine`;
  }
}

async function readStart(path: string): Promise<string> {
  const file = await openSafely(path).catch(error => rethrow(path, error));
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxBytes), 0, maxBytes, 0);
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await file.close();
  }
}

// A link that leads nowhere is there, and so does not mean that nothing runs.
async function rethrow(path: string, error: unknown): Promise<never> {
  const isLink = await lstat(path).then(
    info => info.isSymbolicLink(),
    () => false,
  );
  throw isLink && errnoOf(error) === 'ENOENT' ? new Error('it is a link that leads nowhere') : error;
}

/** Returns how much runs, as the content of the file says. A file that is there means one at least. */
function runningIn(content: string): number {
  const digits = /^\s*(\d{1,6})\s*$/.exec(content)?.[1];
  return Math.max(1, Number(digits ?? 1));
}
