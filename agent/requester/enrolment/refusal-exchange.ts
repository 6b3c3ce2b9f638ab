// Tells the other requesters which keys this one has refused, and hears of theirs. So each can say why a key was refused, show
// the conflict, and give the key a record, whichever of them was asked.
import * as v from 'valibot';
import { ProtocolError } from '../../protocol/error.ts';
import { parseJson } from '../../protocol/json.ts';
import { refusalSchema } from '../../protocol/refusal.ts';
import { text, validate } from '../../protocol/schema.ts';
import { refusedSubject } from '../../protocol/subjects.ts';
import type { Log } from '../../system/log.ts';
import type { Connection, Subscription } from '../../transport/port.ts';
import { connectionNumber, serverId } from './broker-clients.ts';
import { keyUses } from './live-connection.ts';
import type { RefusedKey } from './refusals.ts';

const schema = v.object({
  /** The node id of the requester that refused the key. */
  by: text(128),
  key: text(128),
  refusal: refusalSchema,
  applicant: v.object({
    node: text(128),
    host: text(256),
    hostname: v.optional(text(256)),
    use: v.picklist(keyUses),
    instance: text(256),
    server: serverId,
    connection: connectionNumber,
  }),
});

export interface RefusalExchangeOptions {
  connection: Pick<Connection, 'publish' | 'subscribe'>;
  log: Log;
  clusterId: string;
  requesterId: string;
  /** Returns whether there are other requesters. */
  hasPeers(): boolean;
}

export class RefusalExchange {
  readonly #options: RefusalExchangeOptions;

  constructor(options: RefusalExchangeOptions) {
    this.#options = options;
  }

  /** Tells the others of a key that this requester has refused. What is lost on the way is told when the key comes again. */
  tell({ key, refusal, applicant }: RefusedKey): void {
    const { connection, clusterId, requesterId: by, hasPeers } = this.#options;
    if (hasPeers())
      connection.publish(refusedSubject(clusterId), JSON.stringify({ by, key, refusal, applicant }));
  }

  /** Calls `onRefused` with each key that another requester refuses. */
  start(onRefused: (refused: Omit<RefusedKey, 'at'>) => void): Subscription {
    const { connection, clusterId, requesterId, log } = this.#options;
    return connection.subscribe(refusedSubject(clusterId), ({ data }) => {
      try {
        const { by, ...refused } = validate(schema, parseJson(data));
        if (by !== requesterId) onRefused(refused);
      } catch (err) {
        if (!(err instanceof ProtocolError)) throw err;
        log.debug({ err }, 'what another requester tells of a refused key cannot be read');
      }
    });
  }
}
