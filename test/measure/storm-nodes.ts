// This worker registers simulated nodes over one connection, each until it is accepted, as after a cold start of the whole
// cluster. Arguments: the broker's URL, how many nodes, and how many ask at the same time. It reports once, when all are in.
import { answerSchema } from '../../agent/protocol/answers.ts';
import { parseJson, writeJson } from '../../agent/protocol/json.ts';
import { validate } from '../../agent/protocol/schema.ts';
import { managementSubject } from '../../agent/protocol/subjects.ts';
import { openConnection } from '../support/open-connection.ts';
import { nodeIdOf, registerOf } from './simulated-nodes.ts';
import { report } from './worker.ts';

export interface StormReport {
  /** Time from the first request to the last answer, in milliseconds. */
  tookMs: number;
  /** Requests that had to be repeated. */
  repeated: number;
  /** The time that each node waited for its answer, in milliseconds. */
  waitedMs: number[];
}

const [url = '', nodeArgument, atOnceArgument] = process.argv.slice(2);
const nodes = Number(nodeArgument);
const connection = await openConnection(url, 'storm');
// The messages are made before, so that this process costs the machine as little as possible.
const messages = Array.from({ length: nodes }, (_, index) => ({
  subject: managementSubject(nodeIdOf(index), 'RegisterNode/v1'),
  body: writeJson(registerOf(index)),
}));
const done: StormReport = { tookMs: 0, repeated: 0, waitedMs: [] };

const began = performance.now();
await Promise.all(Array.from({ length: Number(atOnceArgument) }, registerNext));
done.tookMs = performance.now() - began;
report(done);

async function registerNext(): Promise<void> {
  for (let next = messages.pop(); next; next = messages.pop()) {
    const { subject, body } = next;
    const askedAt = performance.now();
    while (!(await isAccepted(subject, body))) done.repeated++;
    done.waitedMs.push(performance.now() - askedAt);
  }
}

async function isAccepted(subject: string, body: string): Promise<boolean> {
  try {
    return validate(answerSchema, parseJson((await connection.request(subject, body, 30_000)).data)).accepted;
  } catch {
    await new Promise(resolve => setTimeout(resolve, 100));
    return false;
  }
}
