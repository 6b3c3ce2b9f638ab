// Asks every requester of a roll to hold its writes, and finds out whether all of them do.
import { ProtocolError } from '../../protocol/error.ts';
import { freezeSubject, peersSubject } from '../../protocol/subjects.ts';
import { MusterError } from '../../system/errors.ts';
import { BrokerError, type Connection } from '../../transport/port.ts';
import { readPresence } from '../watcher/presence.ts';
import {
  encodeTold,
  type FreezeAnswer,
  type FreezeMember,
  freezeTimesMs,
  readFreezeAnswer,
} from './freeze-record.ts';

export interface AskOptions {
  connection: Pick<Connection, 'gather'>;
  clusterId: string;
  /** The id of the freeze, whose record is in the store. */
  id: string;
  /** Whether there is time to ask again when a requester has a write under way. */
  mayAskAgain(): boolean;
}

/** How long the requesters have to say that they are there, in milliseconds. */
const presenceWait = { firstMs: 1_000, nextMs: 200 };

/**
 * Resolves when every requester holds its writes that is there, or that another one heard a short time ago. One that sleeps
 * unnoticed cannot be asked: what it writes later is found by whoever copies the store. One whose write lasts is asked again,
 * and takes some seconds to answer. @throws MusterError `failed` when one of them does not; BrokerError `disconnected`
 */
export async function askMembers({ connection, clusterId, id, mayAskAgain }: AskOptions): Promise<void> {
  const known = new Map<string, FreezeMember>();
  /** The instances that say themselves that they are there. */
  const present = new Set<string>();
  const someAreSilent = await answers(connection, peersSubject(clusterId), '', presenceWait, ({ data }) => {
    const member = memberOf(data);
    if (!member) return false;
    known.set(member.instance, member);
    present.add(member.instance);
    return false;
  });
  const answered = new Map<string, FreezeAnswer>();
  const refusals = () => [...answered.values()].filter(({ refused }) => refused !== undefined);
  // Others remember a process for some seconds after it was killed. When its requester was started again, that is the one to ask.
  const isReplaced = ({ requester, instance }: FreezeMember) =>
    !present.has(instance) && [...answered.values()].some(answer => answer.requester === requester);
  const missing = () => [...known.values()].filter(each => !answered.has(each.instance) && !isReplaced(each));
  const wait = { firstMs: freezeTimesMs.answers, nextMs: freezeTimesMs.answers };
  const told = encodeTold({ id, tells: 'begin' });
  let areSilent: boolean;
  do {
    answered.clear();
    areSilent = await answers(connection, freezeSubject(clusterId), told, wait, ({ data }) => {
      const answer = readFreezeAnswer(data);
      if (answer?.id !== id) return false;
      answered.set(answer.instance, answer);
      for (const peer of answer.peers) if (!known.has(peer.instance)) known.set(peer.instance, peer);
      return missing().length === 0;
    });
  } while (refusals().length > 0 && refusals().every(({ isPassing }) => isPassing) && mayAskAgain());
  const [refusal] = refusals();
  if (refusal)
    throw notHeld(
      `requester ${refusal.requester} on ${refusal.host} does not hold its writes: ${refusal.refused}`,
    );
  const [silent] = missing();
  if (silent)
    throw notHeld(`requester ${silent.requester} on ${silent.host} does not say that it holds its writes`);
  if (someAreSilent && areSilent) throw notHeld('a requester of this roll does not answer');
}

/** Asks, and calls `onAnswer` with each answer. Returns whether somebody listens and nobody answered. */
async function answers(
  connection: Pick<Connection, 'gather'>,
  ...question: Parameters<Connection['gather']>
): Promise<boolean> {
  try {
    await connection.gather(...question);
    return false;
  } catch (error) {
    if (!(error instanceof BrokerError) || !/^(no_responders|timeout)$/.test(error.fault)) throw error;
    return error.fault === 'timeout';
  }
}

function memberOf(data: Uint8Array): FreezeMember | undefined {
  try {
    const { requester, instance, host, leaves } = readPresence(data);
    return leaves ? undefined : { requester, instance, host };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}

const notHeld = (text: string): MusterError =>
  new MusterError('failed', `${text}; nothing was done`, {
    hint: 'see whether it runs and is of this version; one that has ended is forgotten after some seconds',
  });
