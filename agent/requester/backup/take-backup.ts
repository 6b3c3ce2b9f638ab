// Takes a backup while the requester runs: copies the streams of its store, and then the files in its folder.
import { type Clock, sleep } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { version } from '../../system/version.ts';
import type { StreamCopies, StreamCopy, StreamCounts } from '../../transport/port.ts';
import { backedUpStreams } from './backup-contents.ts';
import type { StreamPart } from './backup-format.ts';
import type { BackupWriter } from './backup-writer.ts';
import { readBackedUpFiles } from './requester-files.ts';

/** The moment that a copy shows: nobody writes in it. Both throw MusterError `failed` when somebody may have written. */
export interface CopyMoment {
  /** Called when the records are copied, and may be written again. */
  recordsCopied(): Promise<void>;
  /** Called when the events are copied. */
  eventsCopied(): Promise<void>;
}

export interface TakeBackupOptions {
  writer: BackupWriter;
  copies: StreamCopies;
  /** Undefined when no requester writes the store. */
  moment: CopyMoment | undefined;
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
 * Writes everything into `writer`, and finishes the file. The records are copied in one moment, then the events, and the files
 * come last. What the ledger says later than the records is right all the same: at the next start the records follow it.
 * @throws BrokerError; MusterError `failed` when a stream is written meanwhile, `not_writable`, `bad_state`
 */
export async function takeBackup(options: TakeBackupOptions): Promise<BackupSummary> {
  const { writer, copies, moment, folders, about, clock } = options;
  const [clusterStream, nodeStream, eventStream] = backedUpStreams;
  const at = clock.now();
  const cluster = await addStream(options, clusterStream);
  const nodes = await addStream(options, nodeStream);
  const eventsUntil = (await copies.counts(eventStream))?.lastSequence ?? 0;
  // Each copy shows one moment. Both show the same one if the first stream stood still until now.
  if (!isUnchanged(cluster, await copies.counts(clusterStream))) throw writtenMeanwhile();
  await moment?.recordsCopied();
  const events = await addStream(options, eventStream);
  await moment?.eventsCopied();
  for (const { name, chunks } of await readBackedUpFiles(folders)) await writer.addFile(name, chunks());
  const bytes = await writer.finish({ muster: version, ...about, at: at.toISOString(), eventsUntil });
  return { bytes, records: nodes.messages, events: events.messages };
}

const writtenMeanwhile = (): MusterError =>
  new MusterError('failed', 'the store was written while it was copied, so the copy would show two moments', {
    hint: 'try again; when it happens again, something else than the requesters of this roll writes the store',
  });

/** Copies a stream in a moment in which nobody writes to it. */
async function addStream(
  { writer, copies, clock }: TakeBackupOptions,
  name: StreamPart['name'],
): Promise<StreamCounts> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    if (attempt > 0) await sleep(clock, pauseMs);
    let found: StreamCounts | undefined;
    await writer.addPart(async write => {
      const before = await copies.counts(name);
      const copy = await copies.snapshot(name, write);
      if (!before || !isUnchanged(before, await copies.counts(name))) return undefined;
      found = before;
      const { messages, lastSequence } = before;
      return { kind: 'stream', name, ...described(copy), messages, lastSequence };
    });
    if (found) return found;
  }
  throw new MusterError('failed', `the stream ${name} is written all the time, so it cannot be copied`, {
    hint: 'run this where the requester runs that writes it, or when less happens',
  });
}

/** Returns whether a stream is what it was, and contains what it contained. */
function isUnchanged(before: StreamCounts, now: StreamCounts | undefined): boolean {
  return (
    before.created === now?.created &&
    before.messages === now.messages &&
    before.firstSequence === now.firstSequence &&
    before.lastSequence === now.lastSequence
  );
}

// The server lists every message that was ever removed. It needs none of that to take the stream back.
const described = ({ config, state }: StreamCopy): Pick<StreamPart, 'config' | 'state'> => {
  const { deleted, lost, subjects, ...counts } = state;
  return { config, state: counts };
};
