// This worker registers simulated nodes over one connection, each until it is accepted, as after a cold start of the whole
// cluster. Arguments: the broker's URL, how many nodes, and how many ask at the same time. It reports once, when all are in.
// The nodes of a real cluster are other machines, so this process costs the machine as little as it can: what it sends is
// written before the clock starts, and what was answered is read after the clock has stopped.
import { cpus } from 'node:os';
import { answerSchema } from '../../agent/protocol/answers.ts';
import { parseJson, writeJson } from '../../agent/protocol/json.ts';
import { validate } from '../../agent/protocol/schema.ts';
import { managementSubject } from '../../agent/protocol/subjects.ts';
import { RawClient } from '../support/raw-client.ts';
import { nodeIdOf, registerOf } from './simulated-nodes.ts';
import { report } from './worker.ts';

export interface StormReport {
  /** Time from the first request to the last answer, in milliseconds. */
  tookMs: number;
  /** CPU time of this process in that time, in microseconds. */
  cpuUs: number;
  /** The share of that time in which the cores of this machine did nothing, or waited for the disk. */
  idleShare: number;
  /** Requests that had to be repeated. */
  repeated: number;
  /** The time that each node waited for its answer, in milliseconds. */
  waitedMs: number[];
}

/** An answer that accepts has these bytes in it. Each answer is read by its schema as well, afterwards. */
const accepting = '"Accepted":true';
const inbox = '_INBOX.storm.';
/** The time that the requester has for any further answer, in milliseconds. */
const silenceMs = 60_000;

const [url = '', nodeArgument, atOnceArgument] = process.argv.slice(2);
const nodes = Number(nodeArgument);
const requests = Array.from({ length: nodes }, (_, index) => {
  const subject = managementSubject(nodeIdOf(index), 'RegisterNode/v1');
  const body = writeJson(registerOf(index));
  return `PUB ${subject} ${inbox}${index} ${Buffer.byteLength(body)}\r\n${body}\r\n`;
});
const client = await RawClient.open(Number(new URL(url).port), { name: 'storm' });
client.subscribe(`${inbox}*`);
await client.complaints();

const answers: string[] = [];
const askedAt: number[] = [];
const waitedMs: number[] = [];
/** The requests that are written together, as soon as the answers that came together are counted. */
const due: string[] = [];
const allIn = Promise.withResolvers<void>();
let asked = 0;
let answered = 0;
let repeated = 0;

client.onMessage = ({ subject, data }) => {
  const index = Number(subject.slice(inbox.length));
  if (!data.includes(accepting)) {
    repeated++;
    setTimeout(() => ask(index), 100);
    return;
  }
  if (answers[index] !== undefined) throw new Error(`node ${index} was accepted twice`);
  answers[index] = data;
  waitedMs.push(performance.now() - (askedAt[index] ?? Number.NaN));
  silence.refresh();
  if (asked < nodes) askFirst(asked++);
  if (++answered === nodes) allIn.resolve();
};
const silence = setTimeout(() => {
  throw new Error(`${nodes - answered} nodes got no answer`);
}, silenceMs);

const busyBeforeMs = busyMs();
const cpuBefore = process.cpuUsage();
const began = performance.now();
while (asked < Math.min(nodes, Number(atOnceArgument))) askFirst(asked++);
await allIn.promise;
const tookMs = performance.now() - began;
const { user, system } = process.cpuUsage(cpuBefore);
const idleShare = 1 - (busyMs() - busyBeforeMs) / (tookMs * cpus().length);
clearTimeout(silence);
for (const answer of answers)
  if (!validate(answerSchema, parseJson(Buffer.from(answer))).accepted) throw new Error(`refused: ${answer}`);
report({ tookMs, cpuUs: user + system, idleShare, repeated, waitedMs } satisfies StormReport);

function askFirst(index: number): void {
  askedAt[index] = performance.now();
  ask(index);
}

function ask(index: number): void {
  if (due.push(requests[index] ?? '') === 1) process.nextTick(() => client.send(due.splice(0).join('')));
}

/** Returns the time that all cores have worked, for whatever process, in milliseconds. */
function busyMs(): number {
  return cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0);
}
