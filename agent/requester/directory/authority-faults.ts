// The errors for an operator who wants to replace a CA that this requester does not make.
import { MusterError } from '../../system/errors.ts';

/** Returns the error when another requester of the roll makes the CA. */
export const madeByAnother = (maker: string): MusterError =>
  new MusterError(
    'conflict',
    `requester ${maker} makes the CA of the broker, and this one cannot replace it`,
    {
      hint: `run the command on the machine of ${maker}`,
    },
  );

/** Returns the error when no requester makes a CA: on the requester's own broker, or on another NATS. */
export const noAuthorities = (hasOwnBroker: boolean): MusterError =>
  hasOwnBroker
    ? new MusterError('conflict', 'this requester has no CA of its own that it could replace', {
        hint: 'it makes one where broker.host or api.host is beyond the loopback, and no certificate of yours is set',
      })
    : new MusterError(
        'conflict',
        'the CA of the NATS in nats.servers is not made by this requester, which cannot replace it',
        {
          hint: 'first let the requester and the nodes trust both CAs: put both into nats.tls.caFile of the requester, and run on each node, with the pin of the new one from muster doctor: muster agent trust PIN. Then give the servers of the NATS their new certificates',
        },
      );
