// Takes a backup while the requester runs: copies the streams of its store, and then the files in its folder.
import { type Clock, sleep } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { version } from '../../system/version.ts';
import type { StreamCopies, StreamCopy } from '../../transport/port.ts';
import type { HeldKind } from '../write-hold.ts';
import { backedUpStreams } from './backup-contents.ts';
import type { StreamPart } from './backup-format.ts';
import type { BackupWriter } from './backup-writer.ts';
import { readBackedUpFiles } from './requester-files.ts';

export interface TakeBackupOptions {
  writer: BackupWriter;
  copies: StreamCopies;
  /** Holds the writes of the requester that runs here; undefined when none runs, or one elsewhere writes the store. */
  hold: { begin(kind: HeldKind): Promise<void>; end(kind: HeldKind): Promise<void> } | undefined;
  folders: { requester: string; broker: string };
  about: { cluster: string; requester: string };
  clock: Clock;
}

/** What a backup contains, for people. */
export interface BackupSummary {
  bytes: number;
  /** Number of keys in the node info store, with deleted ones. */
  records: number;
  events: number;
}

/** Number of attempts to copy a stream while nobody writes to it, and the time between them in milliseconds. */
const attempts = 20;
const pauseMs = 150;

/**
 * Writes everything into `writer`, and finishes the file. The records are copied while their writes are held, then the events
 * while theirs are, so that both show one moment; the files come last. What the ledger says later than the records is right
 * all the same: at the next start the records follow it.
 * @throws BrokerError; MusterError `failed` when a stream is written all the time, `conflict` while another backup is made,
 * `not_writable`, `bad_state`
 */
export async function takeBackup(options: TakeBackupOptions): Promise<BackupSummary> {
  const { writer, copies, hold, folders, about, clock } = options;
  const [clusterStream, nodeStream, eventStream] = backedUpStreams;
  let eventsUntil = 0;
  let records = 0;
  let at = clock.now();
  // While another backup is made, this throws, and must not end what the other one holds.
  await hold?.begin('events');
  try {
    await hold?.begin('records');
    at = clock.now();
    await addStream(options, clusterStream);
    records = (await addStream(options, nodeStream)).messages;
    eventsUntil = (await copies.counts(eventStream))?.lastSequence ?? 0;
    await hold?.end('records');
    const events = (await addStream(options, eventStream)).messages;
    await hold?.end('events');
    for (const { name, chunks } of await readBackedUpFiles(folders)) await writer.addFile(name, chunks());
    const bytes = await writer.finish({
      muster: version,
      ...about,
      at: at.toISOString(),
      eventsUntil,
    });
    return { bytes, records, events };
  } finally {
    // An end that was asked for already does nothing.
    await hold?.end('records').catch(() => undefined);
    await hold?.end('events').catch(() => undefined);
  }
}

/** Copies a stream in a moment in which nobody writes to it. */
async function addStream(
  { writer, copies, clock }: TakeBackupOptions,
  name: StreamPart['name'],
): Promise<Pick<StreamPart, 'messages' | 'lastSequence'>> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    if (attempt > 0) await sleep(clock, pauseMs);
    let found: Pick<StreamPart, 'messages' | 'lastSequence'> | undefined;
    await writer.addPart(async write => {
      const before = await copies.counts(name);
      const copy = await copies.snapshot(name, write);
      const after = await copies.counts(name);
      const isQuiet =
        before !== undefined &&
        before.created === after?.created &&
        before.messages === after.messages &&
        before.firstSequence === after.firstSequence &&
        before.lastSequence === after.lastSequence;
      if (!isQuiet) return undefined;
      found = { messages: before.messages, lastSequence: before.lastSequence };
      return { kind: 'stream', name, ...described(copy), ...found };
    });
    if (found) return found;
  }
  throw new MusterError('failed', `the stream ${name} is written all the time, so it cannot be copied`, {
    hint: 'run this where the requester runs that writes it, or when less happens',
  });
}

// The server lists every message that was ever removed. It needs none of that to take the stream back.
const described = ({ config, state }: StreamCopy): Pick<StreamPart, 'config' | 'state'> => {
  const { deleted, lost, subjects, ...counts } = state;
  return { config, state: counts };
};
