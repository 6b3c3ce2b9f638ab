// Makes the folder of a requester again from a backup.
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { ProtocolError } from '../../protocol/error.ts';
import { errnoOf } from '../../system/errors.ts';
import { notWritable, writeFileAtomic } from '../../system/files.ts';
import { openSafely } from '../../system/safe-open.ts';
import { ledgerFileName } from '../ledger/ledger.ts';
import { type OlderStore, parseMark, storeMarkFileName, writeMarkFile } from '../ledger/store-mark-file.ts';
import { backedUpFiles, brokerPortFile } from './backup-contents.ts';
import type { Backup } from './backup-reader.ts';
import { pathOf } from './requester-files.ts';
import type { RestoredStore } from './restore-streams.ts';

export interface Folders {
  requester: string;
  broker: string;
}

/**
 * Writes the files of the backup into empty folders. `survivor` is the ledger of the same cluster that is still there: what it
 * says was decided after the backup, and counts. @throws MusterError `not_writable`, `bad_state`
 */
export async function restoreFiles(
  backup: Pick<Backup, 'readFile' | 'read'>,
  folders: Folders,
  survivor: string | undefined,
): Promise<void> {
  for (const name of backedUpFiles) {
    if (name === ledgerFileName || name === storeMarkFileName || name === brokerPortFile) continue;
    const data = await backup.readFile(name);
    if (data) await writeFileAtomic(pathOf(name, folders), data);
  }
  await writeLedger(join(folders.requester, ledgerFileName), backup, survivor);
}

/** Puts the port back that the broker had chosen, for `broker.port: 0`. @throws MusterError `not_writable` */
export async function restoreBrokerPort(backup: Pick<Backup, 'readFile'>, folders: Folders): Promise<void> {
  const data = await backup.readFile(brokerPortFile);
  if (data) await writeFileAtomic(pathOf(brokerPortFile, folders), data, 0o644);
}

/**
 * Writes the store mark for the restored store, so that it is not taken for an older one. When the backup was made of an older
 * store that nobody had confirmed, it still is one. @throws MusterError
 */
export async function restoreMark(
  backup: Pick<Backup, 'readFile' | 'list'>,
  folder: string,
  { created, revision, restoredAtMs }: RestoredStore,
  at: Date,
): Promise<void> {
  const data = await backup.readFile(storeMarkFileName);
  const older = data && readOlder(data);
  const { cluster } = backup.list;
  const restored = { at: at.toISOString() };
  await writeMarkFile(join(folder, storeMarkFileName), {
    cluster,
    created,
    revision,
    restored,
    storeRestoredAtMs: restoredAtMs,
    newestRestoreAtMs: restoredAtMs,
    ...(older ? { older } : {}),
  });
}

// A mark that cannot be read says nothing. Its requester would not have started with it.
function readOlder(data: Buffer): OlderStore | undefined {
  try {
    return parseMark(data).older;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}

// A later line of the ledger replaces an earlier one, so the lines that were written later come last.
async function writeLedger(
  path: string,
  backup: Pick<Backup, 'read'>,
  survivor: string | undefined,
): Promise<void> {
  const source = survivor === undefined ? undefined : await openIfThere(survivor);
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      for await (const chunk of backup.read(ledgerFileName)) await file.appendFile(chunk);
      await file.appendFile('\n');
      if (source)
        for await (const chunk of source.createReadStream({ autoClose: false })) await file.appendFile(chunk);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw notWritable(path, error);
  } finally {
    await source?.close();
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  return openSafely(path, { refuseLastLink: true }).catch(error => {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  });
}
