// Keeps room in the event stream for the decisions of operators. Whatever nodes cause is removed first, the oldest of it.
import type { EventKind } from '../../protocol/events.ts';
import { eventSubject } from '../../protocol/subjects.ts';
import type { Clock } from '../../system/clock.ts';
import { limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { Rounds } from '../../system/rounds.ts';
import type { EventStream } from '../../transport/port.ts';

/** Kinds of events that nodes cause: noise. The others are decisions, which the stream keeps for as long as it may. */
export const noisyKinds = [
  'registered',
  'expired',
  'updated',
  'healthy',
  'unhealthy',
  'unknown',
  'left',
  'condition-raised',
  'condition-cleared',
  'conflict',
] as const satisfies EventKind[];

/** How full the stream may be before older noise is removed. */
const fullShare = 3 / 4;
/** The part of the noise that is removed at a time, as a share of its sequences. */
const removedShare = 1 / 3;
const checkIntervalMs = 60_000;
const logIntervalMs = 24 * 3_600_000;

export interface StreamRoomOptions {
  stream: EventStream;
  /** Makes the stream again when the broker has none: somebody may have removed it. @throws BrokerError */
  reopen(): Promise<unknown>;
  clock: Clock;
  log: Log;
}

/** Returns the oldest event of the noisy kinds; undefined when the stream has none. @throws BrokerError */
export async function oldestNoise(
  stream: EventStream,
): Promise<{ sequence: number; time: Date } | undefined> {
  const found = await Promise.all(noisyKinds.map(kind => stream.oldest(eventSubject('*', kind))));
  return found.flatMap(message => message ?? []).sort((a, b) => a.sequence - b.sequence)[0];
}

/**
 * Removes the oldest third of the noise when the stream is fuller than three quarters. Returns the number of removed
 * events. @throws BrokerError
 */
export async function makeRoom(stream: EventStream): Promise<number> {
  const { bytes, maxBytes, lastSequence } = await stream.fill();
  if (maxBytes <= 0 || bytes <= maxBytes * fullShare) return 0;
  const first = await oldestNoise(stream);
  if (!first) return 0;
  const cut = first.sequence + Math.ceil((lastSequence - first.sequence) * removedShare);
  let removed = 0;
  // One after the other, so that the broker can do other things between them.
  for (const kind of noisyKinds) removed += await stream.removeBefore(eventSubject('*', kind), cut);
  return removed;
}

/** Makes room in the stream once a minute, if it is needed, until it is stopped. */
export function keepRoom({ stream, reopen, clock, log }: StreamRoomOptions): { stop(): void } {
  const limited = limitedLog(log, clock, logIntervalMs);
  const check = async () => {
    try {
      const removed = await makeRoom(stream);
      if (removed === 0) return;
      const text =
        'the event stream was nearly full; the oldest events that nodes caused were removed from it';
      limited.warn('removed', { removed }, text);
    } catch (error) {
      log.debug({ err: error }, 'no room was made in the event stream; it is tried again');
      await reopen().catch(err => log.debug({ err }, 'the event stream cannot be opened; it is tried again'));
    }
  };
  const rounds = new Rounds({ clock, pauseMs: checkIntervalMs, work: check });
  rounds.start();
  return rounds;
}
