// This worker lets nodes report one after the other what is free, and begins again after the last one. Arguments: the broker's
// URL, the cluster id, how many nodes there are, and how many reports there are in a second.
import { writeJson } from '../../agent/protocol/json.ts';
import { managementSubject } from '../../agent/protocol/subjects.ts';
import { openConnection } from '../support/open-connection.ts';
import { nodeIdOf, resourcesOf } from './simulated-nodes.ts';
import { report } from './worker.ts';

/** The report that the worker sends about once a second. */
export interface ChangesReport {
  /** Number of reports of nodes since the start. */
  changes: number;
}

const [url = '', cluster = '', nodes = '', perSecond = ''] = process.argv.slice(2);
const connection = await openConnection(url, 'changing nodes');
const began = performance.now();
let changes = 0;
setInterval(() => {
  const due = ((performance.now() - began) / 1000) * Number(perSecond);
  for (; changes < due; changes++) {
    const index = changes % Number(nodes);
    const subject = managementSubject(nodeIdOf(index), 'UpdateResources/v1');
    connection.publish(subject, writeJson(resourcesOf(index, cluster)));
  }
}, 10);
setInterval(() => report({ changes } satisfies ChangesReport), 1_000);
