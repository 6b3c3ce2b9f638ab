// The checks of a calm moment, when all processes run and nobody decides: the roll, health, sentinels, events and processes.
import type { NodeView } from '../../agent/requester/directory/node-view.ts';
import {
  expectAllRun,
  type Known,
  nodeComplaints,
  settle,
  toldComplaints,
  untilNoComplaints,
} from './calm.ts';
import type { EventLedger } from './event-ledger.ts';
import { inventedPrefix } from './newcomers.ts';
import { requesterId, type Stage } from './stage.ts';

export interface Checked extends Known {
  stage: Stage;
  ledger: EventLedger;
}

/**
 * Waits until everything is as the model says, and fixes the model to what was seen.
 * @throws Error with what is wrong.
 */
export async function checkCalm(checked: Checked): Promise<void> {
  const { stage, model, ledger } = checked;
  expectAllRun(stage.programs);
  await stage.untilReady();
  let nodes: NodeView[] = [];
  await untilNoComplaints(async () => {
    nodes = await stage.cluster.nodes();
    return await nodeComplaints(checked, nodes, 'on the roll', isExpected);
  });
  settle(model, nodes);
  await untilNoComplaints(() => commandComplaints(stage));
  await untilNoComplaints(async () => toldComplaints(model, ledger));
  if (ledger.faults.length > 0) throw new Error(ledger.faults.join('\n'));
}

const isExpected = (id: string): boolean => id === requesterId || id.startsWith(inventedPrefix);

/** Returns whether `muster node list` shows another roll than the API. */
async function commandComplaints(stage: Stage): Promise<string[]> {
  const { code, stdout, stderr } = await stage.cluster.command('node', 'list', '-o', 'json');
  if (code !== 0) return [`muster node list ended with ${code}: ${stderr}`];
  const rolls = [JSON.parse(stdout) as NodeView[], await stage.cluster.nodes()];
  const [listed, answered] = rolls.map(nodes =>
    nodes.map(node => `${node.Info.NodeID} ${node.Membership}`).join(),
  );
  return listed === answered ? [] : [`muster node list shows ${listed}, but the API says ${answered}`];
}
