// The list of the broker's clients is read page by page, however many there are, and never for ever.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ProtocolError } from '../../../agent/protocol/error.ts';
import { listClients, listWaiting } from '../../../agent/requester/enrolment/broker-clients.ts';
import type { Message } from '../../../agent/transport/port.ts';
import { gatherOne, issuerKey, serverKey } from '../../support/callout-questions.ts';

/** A client as nats-server 2.12 describes it. */
const clientOf = (cid: number) => ({
  cid,
  kind: 'Client',
  type: 'nats',
  ip: '192.0.2.7',
  port: 40_000,
  start: '2026-01-01T00:00:00.000000001Z',
  last_activity: '2026-01-01T00:00:00.000000001Z',
  rtt: '204µs',
  uptime: '1m2s',
  idle: '3s',
  pending_bytes: 0,
  in_msgs: 12,
  out_msgs: 8,
  in_bytes: 4_000,
  out_bytes: 900,
  subscriptions: 4,
  name: `n-7c1d2a34-5b6e-4f70-8a91-b2c3d4e5f607 instance=7c1d2a34-5b6e-4f70-8a91-b2c3d4e5f607 host=worker-${cid}`,
  lang: 'node',
  version: '2.29.3',
  authorized_user: `U${'A'.repeat(55)}`,
  account: 'MUSTER',
});

/** A broker with so many clients. `pages` has the offsets that were asked for. */
function brokerWith(
  count: number,
  change: (data: Record<string, unknown>) => void = () => undefined,
  server = serverKey.publicKey,
) {
  const pages: number[] = [];
  const request = async (_: string, body: Uint8Array | string): Promise<Message> => {
    const { limit, offset } = JSON.parse(String(body)) as { limit: number; offset: number };
    pages.push(offset);
    const length = Math.max(0, Math.min(limit, count - offset));
    const connections = Array.from({ length }, (_, index) => clientOf(offset + index));
    const data = { server_id: serverKey.publicKey, total: count, offset, limit, connections };
    change(data);
    return {
      subject: '',
      subjectBytes: Buffer.alloc(0),
      reply: '',
      data: Buffer.from(JSON.stringify({ data })),
      header: () => '',
      respond: () => true,
    };
  };
  return { pages, list: () => listClients({ request, gather: gatherOne(server) }, 'MUSTER') };
}

describe('the list of the clients of a broker', () => {
  test('has all of three thousand clients, whose pages are far longer than a message of a node', async () => {
    const { pages, list } = brokerWith(3_000);
    const clients = await list();
    assert.deepEqual(
      clients.map(({ connection }) => connection),
      [...Array(3_000).keys()],
    );
    assert.deepEqual(pages, [0, 1_024, 2_048]);
  });

  test('ends with a page that is not full, whatever the broker says of the number of clients', async () => {
    const { pages, list } = brokerWith(5, data => {
      data.total = 1e15;
    });
    assert.equal((await list()).length, 5);
    assert.deepEqual(pages, [0]);
  });

  test('is refused when the id of a server could not be a part of a subject, or a connection has no number', async () => {
    for (const server of ['a.*', '', 'N'])
      await assert.rejects(brokerWith(1, undefined, server).list(), ProtocolError);
    for (const connections of [[{ cid: -1 }], [{ cid: 1.5 }]])
      await assert.rejects(brokerWith(1, data => Object.assign(data, { connections })).list(), ProtocolError);
  });
});

describe('on servers with an operator, where a client that waits is in the list of the account', () => {
  const key = issuerKey.publicKey;
  const accounts = { keys: new Map([['MUSTER', 'AMUSTER']]), signer: key };
  const asked: string[] = [];
  const request = async (_: string, body: Uint8Array | string): Promise<Message> => {
    asked.push((JSON.parse(String(body)) as { acc: string }).acc);
    const connections = [
      { ...clientOf(1), issuer_key: 'AMUSTER' },
      { ...clientOf(2), issuer_key: key },
      clientOf(3),
    ];
    const data = Buffer.from(JSON.stringify({ data: { connections } }));
    return {
      subject: '',
      subjectBytes: Buffer.alloc(0),
      reply: '',
      data,
      header: () => '',
      respond: () => true,
    };
  };
  const broker = { request, gather: gatherOne(serverKey.publicKey) };

  test('only those that the requester let in are clients, whatever the others say of themselves', async () => {
    const clients = await listClients(broker, 'MUSTER', { accounts });
    assert.deepEqual(
      clients.map(({ connection }) => connection),
      [2],
    );
    assert.equal(asked.at(-1), 'AMUSTER');
  });

  test('the others wait', async () => {
    const waiting = await listWaiting(broker, accounts);
    assert.deepEqual(
      waiting.map(({ connection }) => connection),
      [1, 3],
    );
  });
});
