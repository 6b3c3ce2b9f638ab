// A worker: a whole fleet at default intervals over one connection. Arguments: broker, cluster id, nodes, silent nodes.
import { encodeHeartbeat } from '../../agent/protocol/heartbeat.ts';
import { writeJson } from '../../agent/protocol/json.ts';
import {
  defaultHeartbeatTopic,
  eventWildcard,
  heartbeatSubject,
  type ManagementMethod,
  managementSubject,
} from '../../agent/protocol/subjects.ts';
import { reasonOf } from '../../agent/system/errors.ts';
import { jitter, systemRandom } from '../../agent/system/random.ts';
import { openConnection } from '../support/open-connection.ts';
import { nodeIdOf, registerOf, resourcesOf, sessionOf } from './simulated-nodes.ts';
import { report } from './worker.ts';

/** What the load tells, about once a second; numbers since the start. */
export interface LoadReport {
  heartbeats: number;
  /** Requests that were answered: carried out. */
  answered: number;
  refused: number;
  /** The first refusal, or why there was no answer. */
  refusal?: string;
  /** Milliseconds from the last heartbeat of each node that fell silent to the event that it is UNHEALTHY. */
  noticed: number[];
}

const [url = '', cluster = '', nodeArgument, silentArgument] = process.argv.slice(2);
const nodes = Number(nodeArgument);
const silent = Number(silentArgument);

const connection = await openConnection(url, 'fleet');
const done: LoadReport = { heartbeats: 0, answered: 0, refused: 0, noticed: [] };
const intervals = [15_000, 30_000, 60_000];

/** Milliseconds between two turns of the wheel; its slots hold what is due in that turn: node × 3 + kind. */
const turn = 1;
const wheel: number[][] = Array.from({ length: Math.ceil((60_000 * 1.1) / turn) + 2 }, () => []);
let turns = 0;
const began = performance.now();

function schedule(item: number, delay: number): void {
  wheel[(turns + 1 + Math.floor(delay / turn)) % wheel.length]?.push(item);
}

function send(item: number): void {
  const node = Math.floor(item / 3);
  const kind = item % 3;
  schedule(item, jitter(systemRandom, intervals[kind] ?? 0, 0.1));
  if (kind === 0) beat(node);
  else if (kind === 1) void ask(node, 'UpdateResources/v1', resourcesOf(node, cluster));
  else void ask(node, 'UpdateNodeInfo/v1', registerOf(node, cluster));
}

function beat(node: number): void {
  const id = nodeIdOf(node);
  const message = encodeHeartbeat({ NodeID: id, Sequence: ++done.heartbeats }, sessionOf(node), new Date());
  connection.publish(heartbeatSubject(defaultHeartbeatTopic, id), message);
}

async function ask(node: number, method: ManagementMethod, body: unknown): Promise<void> {
  try {
    const answer = await connection.request(
      managementSubject(nodeIdOf(node), method),
      writeJson(body),
      10_000,
    );
    const text = Buffer.from(answer.data).toString();
    if (text.includes('"Code":"known"')) done.answered++;
    else refused(text);
  } catch (error) {
    refused(reasonOf(error));
  }
}

function refused(why: string): void {
  done.refused++;
  done.refusal ??= why;
}

// The first nodes are heard once, each a while after the other, and never again.
const lastHeard = new Map<string, number>();
connection.subscribe(eventWildcard(), ({ subject }) => {
  const [, , id = '', kind] = subject.split('.');
  const last = lastHeard.get(id);
  if (kind === 'unhealthy' && last !== undefined) done.noticed.push(performance.now() - last);
});
for (let node = 0; node < silent; node++) {
  setTimeout(
    () => {
      lastHeard.set(nodeIdOf(node), performance.now());
      beat(node);
    },
    3_000 + (node * 12_000) / silent,
  );
}

for (let node = silent; node < nodes; node++) {
  intervals.forEach((interval, kind) => {
    schedule(node * 3 + kind, Math.random() * interval);
  });
}
setInterval(() => {
  for (const now = (performance.now() - began) / turn; turns < now; turns++) {
    const slot = turns % wheel.length;
    const due = wheel[slot] ?? [];
    wheel[slot] = [];
    for (const item of due) send(item);
  }
}, turn);
setInterval(() => report(done), 1_000);
