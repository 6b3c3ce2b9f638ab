// Receives the requests of nodes and answers each of them, also those that are refused.
import { ProtocolError } from '../../protocol/error.ts';
import { jobMessageReceived } from '../../protocol/ncl.ts';
import {
  jobMessageWildcard,
  nodeInOutSubject,
  requestersQueue,
  unverifiedPrefix,
} from '../../protocol/subjects.ts';
import { MusterError } from '../../system/errors.ts';
import { limitedLog } from '../../system/limited-log.ts';
import { TokenBuckets } from '../../system/token-buckets.ts';
import { WorkInProgress } from '../../system/work-in-progress.ts';
import {
  BrokerError,
  type Connection,
  type Message,
  type MessageSubscription,
  type Subscription,
} from '../../transport/port.ts';
import { Turns } from '../enrolment/turns.ts';
import type { Peers } from '../watcher/peers.ts';
import { AnswersAtOnce, type AnswersAtOnceOptions } from './answers-at-once.ts';
import { NodeReports, type NodeReportsOptions } from './node-reports.ts';
import { NotedRequests, type NotedRequestsOptions } from './noted-requests.ts';
import { RequestAnswers, type RequestAnswersOptions } from './request-answers.ts';
import { RequestHandler, type RequestHandlerOptions } from './request-handler.ts';
import { bprotocol, confirmationSubject, ncl, type RequestProtocol } from './request-protocols.ts';

/**
 * Number of requests that are handled at once: of nodes that the broker knows by their keys or its own rules, and of nodes
 * without a key. Further requests are refused with an answer that asks the node to try again. The two are counted apart, so
 * that nodes without a key keep no other node waiting.
 */
const maxAtOnce = { verified: 4096, unverified: 512 };

/**
 * Number of keys that are read again from the store at once, and how often that of each node is. A client that wants its
 * answers elsewhere must not use up what newcomers need.
 */
const maxRefreshing = 64;
const refreshLimits = { burst: 3, refillMs: 1_000 };

/** Number of requests that wait to be noted. A client that sends more only looks a little older than it is. */
const maxWaitingNotes = 4096;

/** What the parts need that carry out requests, and answer them. */
type PartsOptions = RequestAnswersOptions &
  NodeReportsOptions &
  RequestHandlerOptions &
  AnswersAtOnceOptions &
  NotedRequestsOptions;

export interface NodeRequestsOptions extends PartsOptions {
  connection: Connection;
  /** Whether nodes without a key are let in, whose requests come on subjects of their own. */
  hasUnverified: boolean;
  /** Whether the broker is another one than the requester's own, on which nodes of Bacalhau need no subjects of their own. */
  isShared: boolean;
  /** The other requesters of the roll. */
  peers: Pick<Peers, 'areThere' | 'mayHaveWritten'>;
  /**
   * Reads again from the store which key a node has, before a request is refused for it: another requester may just have
   * let the node in. @throws BrokerError
   */
  refreshKey(nodeId: string): Promise<void>;
  /**
   * Tells whether a request about a node may be answered on a subject. `isVerified` tells whether the broker has checked
   * that the node's own key sent it.
   */
  mayAnswer(nodeId: string, reply: string, isVerified: boolean): boolean;
}

export interface NodeRequests extends Subscription {
  /**
   * Begins or ceases to hear the requests that other requesters answer, because a peer came or went, or because nodes begin
   * or cease to confirm the next CA.
   */
  hearOthers(): void;
  /** Takes no further requests, and resolves when those that the broker handed over before are answered. */
  finish(): Promise<void>;
}

/** Subscribes to the requests of all nodes. One requester of the roll gets each of them. */
export function answerNodeRequests(options: NodeRequestsOptions): NodeRequests {
  const { connection, counters, log, clock, peers, mayAnswer, refreshKey, hasUnverified, isShared } = options;
  const { authorities } = options;
  const limited = limitedLog(log, clock);
  const answers = new RequestAnswers(options);
  const reports = new NodeReports(options);
  const handler = new RequestHandler(options, answers, reports);
  const answersAtOnce = new AnswersAtOnce(options, answers, reports);
  const noted = new NotedRequests(options, reports);
  const infoOf = (id: string) => options.roll.records.get(id)?.Info;
  const atOnce = { verified: 0, unverified: 0 };
  const answering = new WorkInProgress();
  const turns = new Turns();
  let waitingNotes = 0;
  let arrivals = 0;
  let refreshing = 0;
  const refreshes = new TokenBuckets(refreshLimits, () => clock.monotonic());

  // Returns whether a request may be answered that does not look so. Another requester may just have let its node in.
  const mayBeAnsweredYet = async (message: Message, node: string, isVerified: boolean): Promise<boolean> => {
    if (!peers.mayHaveWritten || refreshing >= maxRefreshing || !refreshes.take(node)) return false;
    refreshing++;
    try {
      await refreshKey(node);
      return mayAnswer(node, message.reply, isVerified);
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      return false;
    } finally {
      refreshing--;
    }
  };

  const refuse = (message: Message, node: string, isVerified: boolean, protocol: RequestProtocol) => {
    counters.requestsRefused++;
    const fields = { node, reply: message.reply.slice(0, 200) };
    if (isVerified) {
      limited.warn('reply', fields, 'a request wants its answer elsewhere than at its node; it is ignored');
    } else {
      limited.warn('key', fields, 'a sender without a key names a node that has one; it is refused');
      const text = `node ${node} has a key, and only that key speaks for it`;
      message.respond(protocol.encodeError(text, message));
    }
  };

  const answer = async (
    message: Message,
    protocol: RequestProtocol,
    subject = message.subject,
  ): Promise<void> => {
    const isVerified = subject === message.subject;
    const nodeId = protocol.nodeIn(subject);
    // Bacalhau does not answer on other subjects either, and carries out no request of the newer protocol that wants no answer.
    if (nodeId === undefined || (protocol === ncl && message.reply === '')) return;
    const arrival = ++arrivals;
    counters.requests++;
    const isPermitted =
      mayAnswer(nodeId, message.reply, isVerified) || (await mayBeAnsweredYet(message, nodeId, isVerified));
    if (!isPermitted) return refuse(message, nodeId, isVerified, protocol);
    const kind = isVerified ? 'verified' : 'unverified';
    if (atOnce[kind] >= maxAtOnce[kind]) {
      counters.requestsRefused++;
      message.respond(protocol.encodeError('the requester is busy; try again', message));
      return;
    }
    atOnce[kind]++;
    try {
      const { method, body, isValid, encode } = protocol.read(subject, message, infoOf);
      const { name, isOrdered, registersAgain } = protocol;
      const read = { method, nodeId, protocol: name, body, isValid };
      const asked = { ...read, hasSender: isVerified, registersAgain, arrival };
      const handle = () => handler.handle(asked);
      const result =
        (isOrdered ? undefined : answersAtOnce.answer(asked)) ??
        (await (isOrdered ? turns.run([nodeId], handle) : handle()));
      message.respond(encode(result, clock.now()));
    } catch (error) {
      if (error instanceof ProtocolError) counters.requestsMalformed++;
      else if (error instanceof BrokerError) counters.storeFailures++;
      const key = error instanceof ProtocolError ? 'malformed' : 'failed';
      const fields = { node: nodeId, subject: message.subject, err: error };
      limited.warn(key, fields, 'a request of a node was refused');
      message.respond(protocol.encodeError(textOf(error), message, error));
    } finally {
      atOnce[kind]--;
    }
  };
  // A node without a key counts as what its subject says. A message about jobs is only acknowledged.
  const acknowledge = (message: Message, subject = message.subject): void => {
    const isVerified = subject === message.subject;
    if (mayAnswer(nodeInOutSubject(subject), message.reply, isVerified)) message.respond(jobMessageReceived);
  };

  // Notes a request that another requester answers, after those of the same node that are carried out here.
  const note = (message: Message, protocol: RequestProtocol, subject = message.subject): void => {
    const nodeId = protocol.nodeIn(subject);
    if (nodeId === undefined || !protocol.isOrdered) noteNow(message, protocol, subject);
    else if (waitingNotes < maxWaitingNotes) {
      waitingNotes++;
      const noted = turns.run([nodeId], async () => noteNow(message, protocol, subject));
      void noted.finally(() => waitingNotes--);
    }
  };
  const noteNow = (message: Message, protocol: RequestProtocol, subject: string): void => {
    const isVerified = subject === message.subject;
    const nodeId = protocol.nodeIn(subject);
    if (nodeId === undefined || !mayAnswer(nodeId, message.reply, isVerified)) return;
    try {
      const { method, body, isValid } = protocol.read(subject, message);
      const read = { method, nodeId, protocol: protocol.name, body, isValid };
      noted.note({ ...read, hasSender: isVerified, arrival: ++arrivals });
    } catch (error) {
      // The requester that answers counts it, and logs it.
      if (!(error instanceof ProtocolError)) throw error;
    }
  };

  const within = (message: Message) => message.subject.slice(unverifiedPrefix.length);
  // On the requester's own broker, a node with a key may not speak the newer protocol of Bacalhau.
  const verified = isShared ? [bprotocol, ncl] : [bprotocol];
  const subscriptions: MessageSubscription[] = [];
  const subscribe = (subject: string, handle: (message: Message) => void) =>
    void subscriptions.push(connection.subscribe(subject, handle, requestersQueue));
  for (const protocol of verified)
    subscribe(protocol.wildcard, message => answering.add(answer(message, protocol)));
  if (isShared) subscribe(jobMessageWildcard, message => acknowledge(message));
  if (hasUnverified) {
    for (const protocol of [bprotocol, ncl])
      subscribe(`${unverifiedPrefix}${protocol.wildcard}`, message =>
        answering.add(answer(message, protocol, within(message))),
      );
    subscribe(`${unverifiedPrefix}${jobMessageWildcard}`, message => acknowledge(message, within(message)));
  }

  const hearSubject = (subject: string, protocol: RequestProtocol) =>
    connection.subscribe(subject, message => note(message, protocol));
  let heard: Subscription[] = [];
  let confirmations: Subscription[] = [];
  const hear = (protocol: RequestProtocol): Subscription[] =>
    protocol.toAll.map(subject => hearSubject(subject, protocol));
  const hearUnverified = (protocol: RequestProtocol): Subscription[] =>
    protocol.toAll.map(subject =>
      connection.subscribe(`${unverifiedPrefix}${subject}`, message =>
        note(message, protocol, within(message)),
      ),
    );
  const end = (list: Subscription[]) => list.forEach(subscription => void subscription.unsubscribe());
  return {
    unsubscribe: () => end([...subscriptions, ...heard, ...confirmations]),
    finish: async () => {
      await Promise.all(subscriptions.map(subscription => subscription.finish()));
      await answering.ended();
    },
    hearOthers: () => {
      const areAwaited = peers.areThere && authorities?.isAwaited === true;
      if (areAwaited !== confirmations.length > 0) {
        end(confirmations);
        // Only muster's agents confirm, and they speak this protocol.
        confirmations = areAwaited ? [hearSubject(confirmationSubject, bprotocol)] : [];
      }
      if (peers.areThere === heard.length > 0) return;
      end(heard);
      heard = peers.areThere
        ? [...verified.flatMap(hear), ...(hasUnverified ? [bprotocol, ncl].flatMap(hearUnverified) : [])]
        : [];
    },
  };
}

function textOf(error: unknown): string {
  if (error instanceof ProtocolError || error instanceof MusterError) return error.message;
  return 'internal error; the requester has logged it';
}
