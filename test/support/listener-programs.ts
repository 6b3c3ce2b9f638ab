// The programs of a listener, as other people write them: one reads the events of its durable, and one hears them live.
import assert from 'node:assert/strict';
import { connect, type NatsConnection } from 'nats';
import type { CreatedListener } from '../../agent/protocol/http-listeners.ts';
import { RawClient } from './raw-client.ts';

/** Reads and acknowledges the events of the durable until one of the type `until`. Returns the connection, which stays open. */
export async function readEvents(
  { Servers, Token, Durable }: CreatedListener,
  until: string,
): Promise<NatsConnection> {
  const connection = await connect({
    servers: Servers,
    token: Token,
    inboxPrefix: `_INBOX.${Durable}`,
    reconnect: false,
  });
  const types: string[] = [];
  const messages = connection.jetstream().fetch('NODE_EVENTS', Durable, { batch: 100, expires: 10_000 });
  for await (const message of messages) {
    types.push(message.json<{ type: string }>().type);
    message.ack();
    if (types.includes(until)) return connection;
  }
  throw new Error(`${until} did not come: ${types}`);
}

/** Hears the events live at the server of `port`, and asserts that the program may send none. */
export async function hearEvents(port: number, { Token }: CreatedListener): Promise<RawClient> {
  const live = await RawClient.open(port, { members: { user: 'live', pass: Token } });
  live.subscribe('node.events.>');
  live.publish('node.events.node-1.rejected', '{}');
  const [complaint, ...more] = await live.complaints();
  assert.match(complaint ?? '', /Permissions Violation for Publish/);
  assert.deepEqual(more, []);
  return live;
}
