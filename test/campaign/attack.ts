// Carries out one attack of the plan.
import { SeededRandom } from '../support/seeded-random.ts';
import * as floods from './floods.ts';
import * as gate from './gate-attacks.ts';
import * as newcomers from './newcomers.ts';
import type { Attack, AttackName } from './plan.ts';
import * as processes from './process-attacks.ts';
import * as store from './store-attacks.ts';

const onProcesses: Partial<Record<AttackName, (context: processes.AttackContext) => Promise<void>>> = {
  'kill an agent': processes.killAgent,
  'stop an agent': processes.stopAgent,
  'suspend an agent': processes.suspendAgent,
  'kill the requester': processes.killRequester,
  'stop the requester': context => processes.stopRequester(context),
  'suspend the requester': processes.suspendRequester,
  'kill the broker': processes.killBroker,
  'stop the broker': processes.stopBroker,
  'suspend the broker': processes.suspendBroker,
  'hang the broker': processes.hangBroker,
  'kill requester and broker': processes.killRequesterAndBroker,
};

const onStore: Partial<Record<AttackName, (context: store.StoreContext) => Promise<void>>> = {
  'fill the disk': store.fillDisk,
  'tear a block': store.tearBlock,
  'flip a block': store.flipBlock,
  'remove the index': store.removeStoreIndex,
  'remove the store': store.removeStore,
  'purge the store': store.purgeStore,
};

const byFloods: Partial<Record<AttackName, (context: floods.FloodContext) => Promise<void>>> = {
  'forge heartbeats': floods.forgeHeartbeats,
  'send garbage': floods.sendGarbage,
  'forge events': floods.forgeEvents,
  'write junk keys': floods.writeJunkKeys,
  'open half connections': floods.openHalfConnections,
};

const byNewcomers: Partial<Record<AttackName, (context: newcomers.NewcomerContext) => Promise<void>>> = {
  'invent nodes': newcomers.inventNodes,
  'alternate labels': newcomers.alternateLabels,
  'leave and return': newcomers.leaveAndReturn,
};

const atGate: Partial<Record<AttackName, (context: gate.GateContext) => Promise<void>>> = {
  'connect strangers': gate.connectStrangers,
  'show wrong keys': gate.showWrongKeys,
};

/** The attacks that a campaign carries out. */
export const carriedOut = [onProcesses, onStore, byFloods, byNewcomers, atGate].flatMap(each =>
  Object.keys(each),
) as AttackName[];

/** What attacks need, apart from their own choices. */
export type Means = Omit<
  store.StoreContext & floods.FloodContext & newcomers.NewcomerContext & gate.GateContext,
  'random' | 'holdMs'
>;

export async function attack({ name, seed, holdMs }: Attack, means: Means): Promise<void> {
  const context = { ...means, random: new SeededRandom(seed), holdMs };
  // A node that has just registered, and was not heard yet, may give way to newer ones. So nobody deletes a node meanwhile.
  const isCrowded = name === 'invent nodes';
  if (isCrowded) {
    await means.pauseDecisions();
    means.onStoreLost();
  }
  await onProcesses[name]?.(context);
  await onStore[name]?.(context);
  await byFloods[name]?.(context);
  await byNewcomers[name]?.(context);
  await atGate[name]?.(context);
  if (isCrowded) means.resumeDecisions();
}
