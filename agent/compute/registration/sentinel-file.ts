// Writes and removes the sentinel's file as the registration changes.
import type { LimitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { StateFile } from '../../system/state-file.ts';
import { loadSentinel, removeSentinel, type Sentinel, writeSentinel } from './sentinel.ts';

export interface SentinelFileOptions {
  /** The agent's own folder. */
  folder: string;
  node: string;
  /** The node's public key. */
  key: string;
  log: Log;
  limitedLog: LimitedLog;
}

/** Functions that read and write the file. A test brings its own. */
export interface SentinelStorage {
  load: typeof loadSentinel;
  write: typeof writeSentinel;
  remove: typeof removeSentinel;
}

const onDisk: SentinelStorage = { load: loadSentinel, write: writeSentinel, remove: removeSentinel };

/**
 * Returns an object that writes the sentinel; the value undefined removes it. A failure to read or write only costs a
 * registration at the next start, so it is logged and the node continues.
 */
export function sentinelFile(
  { folder, node, key, log, limitedLog }: SentinelFileOptions,
  storage: SentinelStorage = onDisk,
): StateFile<Sentinel | undefined> {
  return new StateFile<Sentinel | undefined>({
    initial: undefined,
    async read() {
      const reading = await storage.load(folder, node, key);
      if (reading.kind === 'bad') {
        const text = 'the sentinel was set aside (.bad); this node registers again';
        log.warn({ node, reason: reading.reason }, text);
      }
      return reading.kind === 'valid' ? reading.sentinel : undefined;
    },
    write: sentinel => (sentinel ? storage.write(folder, sentinel) : storage.remove(folder, node)),
    onReadError: err =>
      log.warn({ node, err }, 'the bad sentinel could not be set aside; this node registers again'),
    onWriteError(err, sentinel) {
      const text = sentinel
        ? 'the sentinel could not be written; it is tried again with the next answer'
        : 'the void sentinel could not be removed; the requester decides anyway';
      limitedLog.warn(sentinel ? 'sentinel' : 'void sentinel', { node, err }, text);
    },
  });
}
