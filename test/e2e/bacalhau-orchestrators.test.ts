// Our agent under orchestrators of Bacalhau.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Connection, Message } from '../../agent/transport/port.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { openConnection } from '../support/open-connection.ts';

describe('orchestrators of Bacalhau', () => {
  let broker: NatsServer;
  let peer: Connection;
  let cluster: Cluster;

  before(async () => {
    broker = await startNatsServer();
    peer = await openConnection(broker.url);
  });

  afterEach(() => cluster.release());

  after(async () => {
    await peer.close();
    await broker.release();
  });

  const orchestrators: [string, Record<string, (id: string) => string>][] = [
    ['1.5.2', { unknown: () => '{"value":{"Accepted":false,"Reason":"node not yet registered"}}' }],
    [
      '1.6 to 1.9',
      { unknown: id => `{"error":"node ${id} not connected - handshake required","value":null}` },
    ],
  ];
  for (const [version, { unknown }] of orchestrators) {
    it(`our agent joins an orchestrator of ${version}, and registers again when it is no longer known`, async () => {
      cluster = await Cluster.create({ servers: broker.url });
      const id = `joins-${version.replace(/\W/g, '')}`;
      const asked: string[] = [];
      let known = false;
      const answer = (message: Message, text: string) => message.respond(text);
      const methods: Record<string, (message: Message) => void> = {
        'RegisterNode/v1': message => {
          const { Info } = JSON.parse(Buffer.from(message.data).toString());
          // From 1.6 on, Bacalhau never accepts a node that lists its newer protocol here.
          assert.ok(!Info.SupportedProtocols.includes('ncl/v1'));
          known = true;
          answer(message, '{"value":{"Accepted":true,"Reason":"node registered"}}');
        },
        'UpdateNodeInfo/v1': message =>
          answer(message, known ? '{"value":{"Accepted":true,"Reason":""}}' : (unknown?.(id) ?? '')),
        'UpdateResources/v1': message => answer(message, known ? '{"value":{}}' : (unknown?.(id) ?? '')),
      };
      const listening = [
        peer.subscribe(`node.management.${id}.>`, message => {
          const method = message.subject.split('.').slice(3).join('.');
          asked.push(method);
          methods[method]?.(message);
        }),
        peer.subscribe(`bacalhau.global.compute.${id}.out.heartbeat`, () => asked.push('heartbeat')),
      ];
      const agent = await cluster.agent(id);
      await eventually('its reports', () =>
        ['heartbeat', 'UpdateResources/v1', 'UpdateNodeInfo/v1'].every(kind => asked.includes(kind)),
      );
      assert.equal((await cluster.sentinel(id))?.cluster, '');
      asked.length = 0;
      known = false;
      await eventually('it registers again', () => asked.includes('RegisterNode/v1'));
      asked.length = 0;
      assert.equal((await agent.stop()).code, 0);
      assert.ok(!asked.includes('Leave/v1'), 'Bacalhau knows no Leave');
      for (const one of listening) one.unsubscribe();
    });
  }
});
