// Receives the broker's questions whether to let a client in, and sends the answers of the gatekeeper.
import {
  type CalloutAnswer,
  type CalloutQuestion,
  calloutSubject,
  readCalloutQuestion,
  writeCalloutAnswer,
} from '../../protocol/callout.ts';
import { ProtocolError } from '../../protocol/error.ts';
import type { SigningKey } from '../../protocol/signed-token.ts';
import type { Clock } from '../../system/clock.ts';
import { limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import type { Connection, Message, Subscription } from '../../transport/port.ts';

export interface CalloutOptions {
  connection: Connection;
  issuer: SigningKey;
  gatekeeper: { decide(question: CalloutQuestion): Promise<CalloutAnswer | undefined> };
  /** Tells whether this requester may let clients in. */
  lease: { confirm(): Promise<void> };
  clock: Clock;
  log: Log;
}

/** The subjects on which a server awaits the answer. Nobody else may make the requester publish there. */
const replyPattern = /^\$SYS\._INBOX\.[A-Za-z0-9.]{1,128}$/;

/** Answers the questions of the broker. A question that gets no answer is a refusal after some seconds. */
export function answerCallout({
  connection,
  issuer,
  gatekeeper,
  lease,
  clock,
  log,
}: CalloutOptions): Subscription {
  const limited = limitedLog(log, clock);
  const answer = async ({ data, reply }: Message): Promise<void> => {
    if (!replyPattern.test(reply)) return;
    try {
      const question = readCalloutQuestion(data);
      await lease.confirm();
      const decision = await gatekeeper.decide(question);
      if (decision) connection.publish(reply, writeCalloutAnswer(question, decision, issuer));
    } catch (err) {
      const text =
        err instanceof ProtocolError
          ? 'a question of the broker cannot be read'
          : 'a client could not be decided about';
      limited.warn('callout', { err }, text);
    }
  };
  return connection.subscribe(calloutSubject, message => void answer(message));
}
