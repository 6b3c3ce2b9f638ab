// Fills a broker's store as if all nodes had registered, been approved and sent heartbeats.
import { cloudEvent, eventSource } from '../../agent/protocol/events.ts';
import { eventSubject } from '../../agent/protocol/subjects.ts';
import { eventStreamConfig } from '../../agent/requester/events/stream-config.ts';
import { nodeBucket, write } from '../../agent/requester/roll/store.ts';
import { systemRandom } from '../../agent/system/random.ts';
import { openConnection } from '../support/open-connection.ts';
import { nodeIdOf, recordOf } from './simulated-nodes.ts';

const atOnce = 512;

/** Writes the records and the latest events of `nodes` nodes, with the code of the requester, but no requester runs. */
export async function fillStore(url: string, nodes: number): Promise<void> {
  const connection = await openConnection(url, 'bench');
  const storage = await connection.storage();
  const bucket = await storage.bucket(nodeBucket);
  const stream = await storage.stream(eventStreamConfig);
  const source = eventSource(systemRandom.uuid(), 'node-0');
  const time = new Date().toISOString();
  let next = 0;
  const fillNext = async () => {
    while (next < nodes) {
      const index = next++;
      const id = nodeIdOf(index);
      const event = cloudEvent('healthy', `${id}:bench:1`, source, time, {
        node: id,
        previous: { health: 'UNKNOWN' },
        current: { health: 'HEALTHY' },
        evidence: { rule: 'heard again' },
      });
      const operation = systemRandom.uuid();
      await Promise.all([
        write(bucket, {
          id,
          state: recordOf(index),
          changes: [],
          revision: 0,
          operation,
          incarnation: 'bench',
        }),
        stream.publish(eventSubject(id, 'healthy'), JSON.stringify(event), event.id),
      ]);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, fillNext));
  await connection.close();
}
