// Makes the folder for all files of a run of the bench. It is removed, and all processes are ended, when the bench ends.
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Makes the folder. The bench calls this once before it starts anything, so that all files are in the folder. */
export function openWorkplace(): void {
  // The folder is not in the user's TMPDIR, because on macOS that path is too long for a socket.
  const folder = mkdtempSync('/tmp/muster-bench.');
  Object.assign(process.env, { TMPDIR: folder, HOME: folder });
  // The modules that start processes end them on `exit` too. They were loaded before, so their listeners run before this
  // one.
  process.on('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }));
  process.on('SIGINT', () => process.exit(130));
  process.on('SIGTERM', () => process.exit(143));
  process.on('SIGHUP', () => process.exit(129));
}

/** Makes a new, empty folder in the folder of this run. */
export const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'f-'));

/** Shows on standard error what the bench does. */
export const progress = (text: string): void => void process.stderr.write(`bench: ${text}\n`);
