// Where a run of the bench keeps its files: one folder, gone when the bench ends, as are its processes, however it ends.
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** To be called once, before anything is started: processes and temporary files then stay within the folder. */
export function openWorkplace(): void {
  // Not under the user's TMPDIR: on macOS its name is too long for the path of a socket in it.
  const folder = mkdtempSync('/tmp/muster-bench.');
  Object.assign(process.env, { TMPDIR: folder, HOME: folder });
  // Whoever starts a process ends it on `exit` too, and was loaded before.
  process.on('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }));
  process.on('SIGINT', () => process.exit(130));
  process.on('SIGTERM', () => process.exit(143));
  process.on('SIGHUP', () => process.exit(129));
}

/** A new, empty folder in the workplace. */
export const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'f-'));

/** What happens, for whoever waits. */
export const progress = (text: string): void => void process.stderr.write(`bench: ${text}\n`);
