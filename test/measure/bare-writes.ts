// This worker only writes the records that a requester writes in a storm, over one connection. So it tells how fast the broker and its
// disk are by themselves: no requester can be faster. Arguments: the broker's URL, how many nodes, how many records are written at
// the same time, and how many servers keep them. It reports the time that it took, in milliseconds.
import { writeJson } from '../../agent/protocol/json.ts';
import { RawClient } from '../support/raw-client.ts';
import { nodeIdOf, recordOf } from './simulated-nodes.ts';
import { report } from './worker.ts';

const [url = '', nodeArgument, atOnceArgument, replicas] = process.argv.slice(2);
const nodes = Number(nodeArgument);
const inbox = '_INBOX.bare.';
const expectation = 'NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 0\r\n\r\n';

const client = await RawClient.open(Number(new URL(url).port), { name: 'bare' });
client.subscribe(`${inbox}*`);
await ask(
  '$JS.API.STREAM.CREATE.bare',
  JSON.stringify({ name: 'bare', subjects: ['bare.*'], num_replicas: Number(replicas) }),
);
const writes = Array.from({ length: nodes }, (_, index) => {
  const body = writeJson(recordOf(index));
  const size = expectation.length + Buffer.byteLength(body);
  return `HPUB bare.${nodeIdOf(index)} ${inbox}a ${expectation.length} ${size}\r\n${expectation}${body}\r\n`;
});

const allIn = Promise.withResolvers<void>();
let written = 0;
let kept = 0;
client.onMessage = ({ data }) => {
  if (data.includes('"error"')) throw new Error(`a write was refused: ${data}`);
  if (written < nodes) client.send(writes[written++] ?? '');
  if (++kept === nodes) allIn.resolve();
};
const began = performance.now();
written = Math.min(nodes, Number(atOnceArgument));
client.send(writes.slice(0, written).join(''));
await allIn.promise;
report(performance.now() - began);

/** Asks the broker, and resolves with its answer. @throws Error when it refuses */
async function ask(subject: string, body: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  client.onMessage = ({ data }) => (data.includes('"error"') ? reject(new Error(data)) : resolve());
  client.send(`PUB ${subject} ${inbox}a ${Buffer.byteLength(body)}\r\n${body}\r\n`);
  await promise;
}
