// This worker simulates a whole fleet at default intervals over one connection. Arguments: the broker's URL, the cluster
// id, how many nodes there are, and how many of them fall silent.
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

/** The report that the worker sends about once a second. Numbers count from the start. */
export interface LoadReport {
  heartbeats: number;
  /** Requests that were accepted. */
  answered: number;
  refused: number;
  /** The first refusal, or the reason why there was no answer. */
  refusal?: string;
  /**
   * Times from the last heartbeat of a silent node to the event that it is UNHEALTHY, in milliseconds, one for each such
   * node.
   */
  noticedMs: number[];
}

const [url = '', cluster = '', nodeArgument, silentArgument] = process.argv.slice(2);
const nodes = Number(nodeArgument);
const silent = Number(silentArgument);

const connection = await openConnection(url, 'fleet');
const done: LoadReport = { heartbeats: 0, answered: 0, refused: 0, noticedMs: [] };
const intervalsMs = [15_000, 30_000, 60_000];

/**
 * Time between two turns of the wheel, in milliseconds. A slot of the wheel lists the reports that are due in one turn, as
 * numbers: node × 3 + kind.
 */
const turnMs = 1;
const wheel: number[][] = Array.from({ length: Math.ceil((60_000 * 1.1) / turnMs) + 2 }, () => []);
let turns = 0;
const began = performance.now();

function schedule(item: number, delay: number): void {
  wheel[(turns + 1 + Math.floor(delay / turnMs)) % wheel.length]?.push(item);
}

function send(item: number): void {
  const node = Math.floor(item / 3);
  const kind = item % 3;
  schedule(item, jitter(systemRandom, intervalsMs[kind] ?? 0, 0.1));
  if (kind === 0) sendHeartbeat(node);
  else if (kind === 1) void sendRequest(node, 'UpdateResources/v1', resourcesOf(node, cluster));
  else void sendRequest(node, 'UpdateNodeInfo/v1', registerOf(node, cluster));
}

function sendHeartbeat(node: number): void {
  const id = nodeIdOf(node);
  const message = encodeHeartbeat({ NodeID: id, Sequence: ++done.heartbeats }, sessionOf(node), new Date());
  connection.publish(heartbeatSubject(defaultHeartbeatTopic, id), message);
}

async function sendRequest(node: number, method: ManagementMethod, body: unknown): Promise<void> {
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

// The first nodes send one heartbeat each, one after the other, and then none.
const lastSent = new Map<string, number>();
connection.subscribe(eventWildcard(), ({ subject }) => {
  const [, , id = '', kind] = subject.split('.');
  const last = lastSent.get(id);
  if (kind === 'unhealthy' && last !== undefined) done.noticedMs.push(performance.now() - last);
});
for (let node = 0; node < silent; node++) {
  setTimeout(
    () => {
      lastSent.set(nodeIdOf(node), performance.now());
      sendHeartbeat(node);
    },
    3_000 + (node * 12_000) / silent,
  );
}

for (let node = silent; node < nodes; node++) {
  intervalsMs.forEach((interval, kind) => {
    schedule(node * 3 + kind, Math.random() * interval);
  });
}
setInterval(() => {
  for (const now = (performance.now() - began) / turnMs; turns < now; turns++) {
    const slot = turns % wheel.length;
    const due = wheel[slot] ?? [];
    wheel[slot] = [];
    for (const item of due) send(item);
  }
}, turnMs);
setInterval(() => report(done), 1_000);
