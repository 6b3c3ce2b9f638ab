// Reads the files of a requester that go into a backup.
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { errnoOf, MusterError, reasonOf } from '../../system/errors.ts';
import { readOwnFile } from '../../system/read-file.ts';
import { openSafely } from '../../system/safe-open.ts';
import { ledgerFileName } from '../ledger/ledger.ts';
import { type BackedUpFile, backedUpFiles, brokerPortFile } from './backup-contents.ts';

export interface BackedUp {
  name: BackedUpFile;
  /** Returns the content, piece by piece. */
  chunks(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** Number of times that the files are read until two readings are the same. */
const readings = 10;

/**
 * Returns the files that there are. They are read until two readings agree, so that two files of one change, such as a key and
 * its certificate, are of the same moment. The ledger is read when its turn comes, because it is large.
 * @throws MusterError `bad_state`
 */
export async function readBackedUpFiles(folders: { requester: string; broker: string }): Promise<BackedUp[]> {
  const small = await readUntilStable(folders);
  const files: BackedUp[] = [...small].map(([name, data]) => ({ name, chunks: () => [data] }));
  const ledger = join(folders.requester, ledgerFileName);
  if (await hasFile(ledger)) files.push({ name: ledgerFileName, chunks: () => wholeLines(ledger) });
  return files;
}

/** Returns the path of a file that a backup contains. */
export const pathOf = (name: BackedUpFile, folders: { requester: string; broker: string }): string =>
  name === brokerPortFile ? join(folders.broker, 'port') : join(folders.requester, name);

async function readUntilStable(folders: {
  requester: string;
  broker: string;
}): Promise<Map<BackedUpFile, Buffer>> {
  let before = await readSmall(folders);
  for (let reading = 1; reading < readings; reading++) {
    await setImmediate();
    const now = await readSmall(folders);
    if (isSame(before, now)) return now;
    before = now;
  }
  throw new MusterError('failed', `the files in ${folders.requester} change all the time`, {
    hint: 'try again in a moment',
  });
}

async function readSmall(folders: { requester: string; broker: string }): Promise<Map<BackedUpFile, Buffer>> {
  const found = new Map<BackedUpFile, Buffer>();
  for (const name of backedUpFiles) {
    if (name === ledgerFileName) continue;
    const file = await readOwnFile(pathOf(name, folders));
    if (file) found.set(name, file.data);
  }
  return found;
}

// The store mark is written all the time, and stands for itself.
function isSame(one: Map<BackedUpFile, Buffer>, other: Map<BackedUpFile, Buffer>): boolean {
  if (one.size !== other.size) return false;
  return [...one].every(([name, data]) => name === 'store-mark.json' || other.get(name)?.equals(data));
}

async function hasFile(path: string): Promise<boolean> {
  return openSafely(path, { refuseLastLink: true }).then(
    async file => {
      await file.close();
      return true;
    },
    error => {
      if (errnoOf(error) === 'ENOENT') return false;
      throw unreadable(path, error);
    },
  );
}

/** Reads a file of lines to its present end. A line that is being written is left out. */
async function* wholeLines(path: string): AsyncGenerator<Uint8Array> {
  try {
    const file = await openSafely(path, { refuseLastLink: true });
    try {
      let { size: left } = await file.stat();
      let begun = Buffer.alloc(0);
      while (left > 0) {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(left, 65_536)));
        if (bytesRead === 0) break;
        left -= bytesRead;
        const text = Buffer.concat([begun, buffer.subarray(0, bytesRead)]);
        const end = text.lastIndexOf(0x0a) + 1;
        begun = text.subarray(end);
        yield text.subarray(0, end);
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    throw unreadable(path, error);
  }
}

const unreadable = (path: string, cause: unknown): MusterError =>
  new MusterError('bad_state', `cannot read ${path}: ${reasonOf(cause)}`, { cause });
