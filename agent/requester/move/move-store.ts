// Moves the streams of the store to another number of servers: copies them to a file, and makes them anew from it. A change in
// place would be less work, and loses acknowledged writes. Whatever is killed in between, the file or the store has everything.
import { type Clock, sleep } from '../../system/clock.ts';
import { MusterError, reasonOf } from '../../system/errors.ts';
import { BrokerError, type Storage, type StreamCopies } from '../../transport/port.ts';
import { backedUpStreams } from '../backup/backup-contents.ts';
import type { StreamPart } from '../backup/backup-format.ts';
import type { Backup } from '../backup/backup-reader.ts';
import { isWhole } from '../backup/whole-stream.ts';
import type { Freeze } from '../freeze/freeze.ts';
import { streamText } from '../status/stream-text.ts';
import { type MoveFact, removedBy } from './move-facts.ts';
import { type FoundStream, type Move, movesTo } from './move-plan.ts';

type StreamName = StreamPart['name'];

export interface MoveOptions {
  copies: StreamCopies;
  storage: Pick<Storage, 'reopen' | 'replicas'>;
  /** The number of servers. */
  to: number;
  /** Returns what the broker says of each stream of the store. @throws BrokerError */
  find(): Promise<FoundStream<StreamName>[]>;
  clock: Clock;
  /** Begins the freeze. @throws as `Freeze.begin` */
  freeze(): Promise<Pick<Freeze, 'assertHolds' | 'confirm' | 'end' | 'abandon' | 'ageMs'>>;
  /** Copies the whole store into the file, and returns it. */
  copy(): Promise<Backup>;
  /** Removes the file, and what was noted of it. */
  removeCopy(): Promise<void>;
  /** Notes beside the file that a stream is about to be removed, or is whole again. Resolves when that is on the disk. */
  note(fact: MoveFact): Promise<void>;
  /** Called before each step, with a sentence for people. Tests end the move here. */
  onStep(text: string): void | Promise<void>;
}

/** How long one step of a move is tried again, in milliseconds, and the time between two attempts. */
const insistTimesMs = { all: 30_000, between: 500 };
/**
 * How long a server may still wait for the rest of a restore whose process was killed, in milliseconds. When it gives up, the
 * cluster removes a stream of this name that was just made.
 */
const killedRestoreMs = 7_000;
/** How long the new servers have to get everything, in milliseconds. */
const currentTimeoutMs = 30_000;
/** The part of the freeze in which streams are removed. After all of it, the requesters open what is shut. */
const removingPart = 0.5;

/**
 * Moves the streams, and returns how long writes were held, in milliseconds. When it fails, the store is where it was, or
 * complete in part; what could not be put back stays in the file. @throws MusterError, BrokerError
 */
export async function moveStore(options: MoveOptions): Promise<number> {
  const { find, freeze: begin, copy, to, onStep } = options;
  await onStep('asking all requesters to hold their writes');
  const freeze = await begin();
  let isUndone = false;
  /** The streams whose removal was begun and that were not made again. */
  const removing = new Set<StreamName>();
  try {
    await onStep('copying the store to a file');
    const copied = await copy();
    try {
      await freeze.confirm('events');
      const moves = movesTo(to, await find());
      await shutAll(moves, copied, options);
      for (const move of moves) {
        freeze.assertHolds('records', removingPart);
        removing.add(move.name);
        await moveStream(move, partOf(copied, move.name), copied, options);
        removing.delete(move.name);
      }
      // A reader may get a server that does not have everything yet, and would take the rest for lost.
      await untilCurrent(options);
      await makeMissing(moves, copied, options);
    } catch (error) {
      isUndone = true;
      await goBack(copied, removing, options, error);
      isUndone = false;
      throw error;
    } finally {
      await copied.close();
    }
  } finally {
    // What could not be opened again is opened by the requesters, when they see that the freeze has lasted too long.
    if (isUndone) freeze.abandon();
    else await freeze.end();
  }
  const heldMs = freeze.ageMs;
  await options.removeCopy();
  return heldMs;
}

/**
 * Makes the streams again that an earlier move has removed, when it was killed. `copied` is its file, and `facts` what it has
 * noted: a stream that is missing for another reason may have been newer than the file. @throws MusterError
 */
export async function finishMove(
  copied: Backup,
  facts: readonly MoveFact[],
  options: MoveOptions,
): Promise<void> {
  const { copies, onStep } = options;
  const removed = removedBy(facts);
  for (const part of copied.streams()) {
    const now = await insist(options, () => copies.counts(part.name));
    // A restore that was killed can leave an empty stream.
    const isEmpty = now?.messages === 0 && now.lastSequence === 0;
    if ((!now || isEmpty) && removed.has(part.name)) {
      await onStep(`making ${streamText(part.name)} again, which an interrupted move has removed`);
      await restoreOn(options.to, part, copied, options).catch(() =>
        restoreOn(replicasOf(part), part, copied, options),
      );
    } else if (now && now.lastSequence < part.lastSequence)
      throw new MusterError(
        'conflict',
        `the broker has less of ${streamText(part.name)} than the file of an interrupted move`,
        {
          hint: 'put the file back with all requesters stopped: muster restore FILE --replace CLUSTER',
        },
      );
  }
}

/** Shuts the streams, so that nobody writes after they were copied, and makes sure that nobody did before. */
async function shutAll(
  moves: readonly Move<StreamName>[],
  copied: Backup,
  { copies, onStep }: MoveOptions,
): Promise<void> {
  for (const { name } of moves) {
    await onStep(`shutting ${streamText(name)}`);
    await copies.shut(name);
  }
  for (const { name, counts } of moves) {
    const now = await copies.counts(name);
    if (now && now.created === counts.created && isWhole(partOf(copied, name), now)) continue;
    throw new MusterError(
      'failed',
      `something wrote ${streamText(name)} while it was copied; nothing was moved`,
      {
        hint: 'try again; when it happens again, something else than the requesters of this roll writes the store',
      },
    );
  }
}

async function moveStream(
  { name, to }: Move<StreamName>,
  part: StreamPart,
  copied: Backup,
  options: MoveOptions,
) {
  const { copies, note, onStep } = options;
  await note({ what: 'removing', name });
  await onStep(`removing ${streamText(name)}`);
  await insist(options, () => copies.remove(name));
  await onStep(`making ${streamText(name)} on ${to === 1 ? 'one server' : `${to} servers`}`);
  await restoreOn(to, part, copied, options);
}

/** Makes a stream from the file, and compares it. @throws BrokerError, MusterError */
async function restoreOn(
  replicas: number,
  part: StreamPart,
  copied: Backup,
  options: MoveOptions,
): Promise<void> {
  const { copies } = options;
  const { name, state } = part;
  const config = { ...part.config, num_replicas: replicas };
  let isAnother = false;
  await insist(options, async () => {
    isAnother = false;
    let now = await copies.counts(name);
    // A restore that was killed can leave an empty stream, in which nothing can be lost. Nobody else has made one: a cluster
    // makes no new store where one was.
    if (now?.messages === 0 && now.lastSequence === 0 && part.lastSequence > 0) {
      await copies.remove(name);
      await sleep(options.clock, killedRestoreMs);
      now = undefined;
    }
    // The answer to an earlier attempt may have been lost.
    now ??= await copies.restore({ stream: name, config, state }, copied.read(name));
    isAnother = !isWhole(part, now);
    if (isAnother)
      throw new BrokerError(
        'refused',
        `the broker has another ${streamText(name)} than the file of the move`,
      );
  }).catch(error => {
    if (!isAnother) throw error;
    throw new MusterError('failed', `the broker has another ${streamText(name)} than the file of the move`, {
      hint: 'somebody has made it meanwhile. With all requesters stopped: muster restore FILE --replace CLUSTER',
      cause: error,
    });
  });
  await options.note({ what: 'made', name });
}

/**
 * Makes again what is gone since it was made: a cluster may carry out late what it did not answer in time. The file of the move
 * is removed only after that. @throws BrokerError, MusterError
 */
async function makeMissing(
  moves: readonly Move<StreamName>[],
  copied: Backup,
  options: MoveOptions,
): Promise<void> {
  for (const { name, to } of moves) {
    if (await insist(options, () => options.copies.counts(name))) continue;
    await options.onStep(`making ${streamText(name)} once more, because the servers have lost it`);
    await restoreOn(to, partOf(copied, name), copied, options);
  }
}

/**
 * Puts the store back where it was, as far as it is not complete. `cause` is why. What was not removed for certain may still be
 * removed late, so it is removed first. @throws MusterError when that fails
 */
async function goBack(
  copied: Backup,
  removing: ReadonlySet<StreamName>,
  options: MoveOptions,
  cause: unknown,
): Promise<void> {
  const { copies, storage, removeCopy, onStep } = options;
  try {
    await onStep('going back');
    for (const part of copied.streams()) {
      if (removing.has(part.name)) await insist(options, () => copies.remove(part.name));
      const now = await insist(options, () => copies.counts(part.name));
      if (now) await insist(options, () => storage.reopen(part.name));
      else await restoreOn(replicasOf(part), part, copied, options);
    }
  } catch (error) {
    throw new MusterError(
      'failed',
      `the move failed (${reasonOf(cause)}), and so did the way back: ${reasonOf(error)}`,
      {
        hint: 'nothing is lost: the file of the move has the whole store. When all NATS servers run, run this command again',
        cause,
      },
    );
  }
  await removeCopy();
}

const replicasOf = ({ config }: StreamPart): number => Number(config.num_replicas ?? 1);

function partOf(copied: Backup, name: StreamName): StreamPart {
  const part = copied.streams().find(each => each.name === name);
  if (!part) throw new MusterError('bad_state', `the file of the move does not have ${streamText(name)}`);
  return part;
}

/** Waits until each server has everything, or for as long as a server that is away may delay the requesters. */
async function untilCurrent({ storage, to, clock, onStep }: MoveOptions): Promise<void> {
  await onStep('waiting until each server has everything');
  const until = clock.monotonic() + currentTimeoutMs;
  for (const name of backedUpStreams) {
    for (;;) {
      const found = await storage.replicas(name).catch(ignoreBrokerError);
      const others = found?.others ?? [];
      if (found?.leader && others.length === to - 1 && others.every(({ isCurrent }) => isCurrent)) break;
      if (clock.monotonic() >= until) {
        await onStep('not all servers have everything yet: see muster status');
        return;
      }
      await sleep(clock, insistTimesMs.between);
    }
  }
}

/** Repeats what the broker does not carry out now. A cluster that lost a server needs some seconds. */
async function insist<T>({ clock }: MoveOptions, work: () => Promise<T>): Promise<T> {
  const until = clock.monotonic() + insistTimesMs.all;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof BrokerError) || clock.monotonic() >= until) throw error;
      await sleep(clock, insistTimesMs.between);
    }
  }
}

function ignoreBrokerError(error: unknown): undefined {
  if (!(error instanceof BrokerError)) throw error;
}
