// Receives the requests of nodes and answers each of them, also those that are refused.
import { ProtocolError } from '../../protocol/error.ts';
import { jobMessageReceived } from '../../protocol/ncl.ts';
import { jobMessageWildcard, nodeInOutSubject, unverifiedPrefix } from '../../protocol/subjects.ts';
import { MusterError } from '../../system/errors.ts';
import { limitedLog } from '../../system/limited-log.ts';
import { BrokerError, type Connection, type Message, type Subscription } from '../../transport/port.ts';
import { RequestHandler, type RequestHandlerOptions } from './request-handler.ts';
import { bprotocol, ncl, type RequestProtocol } from './request-protocols.ts';

/**
 * Number of requests that are handled at once: of nodes that the broker knows by their keys or its own rules, and of nodes
 * without a key. Further requests are refused with an answer that asks the node to try again. The two are counted apart, so
 * that nodes without a key keep no other node waiting.
 */
const maxAtOnce = { verified: 4096, unverified: 512 };

export interface NodeRequestsOptions extends RequestHandlerOptions {
  connection: Connection;
  /** Whether nodes without a key are let in, whose requests come on subjects of their own. */
  hasUnverified: boolean;
  /** Whether the broker is another one than the requester's own, on which nodes of Bacalhau need no subjects of their own. */
  isShared: boolean;
  /** Tells whether this requester may answer nodes. */
  lease: { confirm(): Promise<void> };
  /**
   * Tells whether a request about a node may be answered on a subject. `isVerified` tells whether the broker has checked
   * that the node's own key sent it.
   */
  mayAnswer(nodeId: string, reply: string, isVerified: boolean): boolean;
}

/** Subscribes to the requests of all nodes. */
export function answerNodeRequests(options: NodeRequestsOptions): Subscription {
  const { connection, counters, log, clock, lease, mayAnswer, hasUnverified, isShared } = options;
  const limited = limitedLog(log, clock);
  const handler = new RequestHandler(options);
  const atOnce = { verified: 0, unverified: 0 };

  // Returns whether the request may be answered. One that may not is refused here.
  const isPermitted = (message: Message, node: string, isVerified: boolean, protocol: RequestProtocol) => {
    if (mayAnswer(node, message.reply, isVerified)) return true;
    counters.requestsRefused++;
    const fields = { node, reply: message.reply.slice(0, 200) };
    if (isVerified) {
      limited.warn('reply', fields, 'a request wants its answer elsewhere than at its node; it is ignored');
    } else {
      limited.warn('key', fields, 'a sender without a key names a node that has one; it is refused');
      message.respond(protocol.encodeError(`node ${node} has a key, and only that key speaks for it`));
    }
    return false;
  };

  const answer = async (
    message: Message,
    protocol: RequestProtocol,
    subject = message.subject,
  ): Promise<void> => {
    const isVerified = subject === message.subject;
    const nodeId = protocol.nodeIn(subject);
    // Bacalhau does not answer on other subjects either.
    if (nodeId === undefined) return;
    counters.requests++;
    if (!isPermitted(message, nodeId, isVerified, protocol)) return;
    const kind = isVerified ? 'verified' : 'unverified';
    if (atOnce[kind] >= maxAtOnce[kind]) {
      counters.requestsRefused++;
      message.respond(protocol.encodeError('the requester is busy; try again'));
      return;
    }
    atOnce[kind]++;
    try {
      await lease.confirm();
      // The node may have got a key meanwhile.
      if (!isPermitted(message, nodeId, isVerified, protocol)) return;
      const { method, body, encode } = protocol.read(subject, message.data);
      const hasSender = isVerified;
      const result = await handler.handle({ method, nodeId, body, hasSender });
      message.respond(encode(result, clock.now()));
    } catch (error) {
      // Another requester took over. It has received the same request, and answers.
      if (error instanceof MusterError && error.code === 'in_use') return;
      if (error instanceof ProtocolError) counters.requestsMalformed++;
      else if (error instanceof BrokerError) counters.storeFailures++;
      const key = error instanceof ProtocolError ? 'malformed' : 'failed';
      const fields = { node: nodeId, subject: message.subject, err: error };
      limited.warn(key, fields, 'a request of a node was refused');
      message.respond(protocol.encodeError(textOf(error)));
    } finally {
      atOnce[kind]--;
    }
  };
  // A node without a key counts as what its subject says. A message about jobs is only acknowledged.
  const acknowledge = (message: Message, subject = message.subject): void => {
    const isVerified = subject === message.subject;
    if (mayAnswer(nodeInOutSubject(subject), message.reply, isVerified)) message.respond(jobMessageReceived);
  };

  const subscriptions: Subscription[] = [];
  const subscribe = (subject: string, handle: (message: Message) => void) =>
    void subscriptions.push(connection.subscribe(subject, handle));
  subscribe(bprotocol.wildcard, message => void answer(message, bprotocol));
  // On the requester's own broker, a node with a key may not speak the newer protocol of Bacalhau.
  if (isShared) {
    subscribe(ncl.wildcard, message => void answer(message, ncl));
    subscribe(jobMessageWildcard, message => acknowledge(message));
  }
  if (hasUnverified) {
    const within = (message: Message) => message.subject.slice(unverifiedPrefix.length);
    for (const protocol of [bprotocol, ncl])
      subscribe(
        `${unverifiedPrefix}${protocol.wildcard}`,
        message => void answer(message, protocol, within(message)),
      );
    subscribe(`${unverifiedPrefix}${jobMessageWildcard}`, message => acknowledge(message, within(message)));
  }
  return { unsubscribe: () => subscriptions.forEach(subscription => void subscription.unsubscribe()) };
}

function textOf(error: unknown): string {
  if (error instanceof ProtocolError || error instanceof MusterError) return error.message;
  return 'internal error; the requester has logged it';
}
