// Receives the requests of nodes and answers each of them, also those that are refused.
import { encodeErrorResponse } from '../../protocol/answers.ts';
import { ProtocolError } from '../../protocol/error.ts';
import { managementWildcard, parseManagementSubject, unverifiedPrefix } from '../../protocol/subjects.ts';
import { MusterError } from '../../system/errors.ts';
import { limitedLog } from '../../system/limited-log.ts';
import { BrokerError, type Connection, type Message, type Subscription } from '../../transport/port.ts';
import { RequestHandler, type RequestHandlerOptions } from './request-handler.ts';

/**
 * Number of requests that are handled at once. Further requests are refused with an answer that asks the node to try
 * again.
 */
const maxAtOnce = 4096;

export interface NodeRequestsOptions extends RequestHandlerOptions {
  connection: Connection;
  /** Whether nodes without a key are let in, whose requests come on subjects of their own. */
  hasUnverified: boolean;
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
  const { connection, counters, log, clock, lease, mayAnswer } = options;
  const limited = limitedLog(log, clock);
  const handler = new RequestHandler(options);
  let atOnce = 0;

  const answer = async (message: Message, subject = message.subject): Promise<void> => {
    const isVerified = subject === message.subject;
    const target = parseManagementSubject(subject);
    // Bacalhau does not answer on other subjects either.
    if (!target) return;
    counters.requests++;
    if (!mayAnswer(target.nodeId, message.reply, isVerified)) {
      counters.requestsRefused++;
      const fields = { node: target.nodeId, reply: message.reply.slice(0, 200) };
      if (isVerified) {
        limited.warn('reply', fields, 'a request wants its answer elsewhere than at its node; it is ignored');
      } else {
        limited.warn('key', fields, 'a sender without a key names a node that has one; it is refused');
        message.respond(
          encodeErrorResponse(`node ${target.nodeId} has a key, and only that key speaks for it`),
        );
      }
      return;
    }
    if (atOnce >= maxAtOnce) {
      counters.requestsRefused++;
      message.respond(encodeErrorResponse('the requester is busy; try again'));
      return;
    }
    atOnce++;
    try {
      await lease.confirm();
      message.respond(await handler.handle(target.method, target.nodeId, message.data));
    } catch (error) {
      // Another requester took over. It has received the same request, and answers.
      if (error instanceof MusterError && error.code === 'in_use') return;
      if (error instanceof ProtocolError) counters.requestsMalformed++;
      else if (error instanceof BrokerError) counters.storeFailures++;
      const key = error instanceof ProtocolError ? 'malformed' : 'failed';
      const fields = { node: target.nodeId, subject: message.subject, err: error };
      limited.warn(key, fields, 'a request of a node was refused');
      message.respond(encodeErrorResponse(textOf(error)));
    } finally {
      atOnce--;
    }
  };
  const subscriptions = [connection.subscribe(managementWildcard, message => void answer(message))];
  if (options.hasUnverified) {
    const receive = (message: Message) =>
      void answer(message, message.subject.slice(unverifiedPrefix.length));
    subscriptions.push(connection.subscribe(`${unverifiedPrefix}${managementWildcard}`, receive));
  }
  return { unsubscribe: () => subscriptions.forEach(subscription => void subscription.unsubscribe()) };
}

function textOf(error: unknown): string {
  if (error instanceof ProtocolError || error instanceof MusterError) return error.message;
  return 'internal error; the requester has logged it';
}
