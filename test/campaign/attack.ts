// Carries out one attack of the plan.
import { SeededRandom } from '../support/seeded-random.ts';
import * as floods from './floods.ts';
import type { Attack, AttackName } from './plan.ts';
import * as processes from './process-attacks.ts';
import type { Stage } from './stage.ts';
import * as store from './store-attacks.ts';

const onProcesses: Partial<Record<AttackName, (context: processes.AttackContext) => Promise<void>>> = {
  'kill an agent': processes.killAgent,
  'stop an agent': processes.stopAgent,
  'suspend an agent': processes.suspendAgent,
  'kill the requester': processes.killRequester,
  'stop the requester': processes.stopRequester,
  'suspend the requester': processes.suspendRequester,
  'kill the broker': processes.killBroker,
  'stop the broker': processes.stopBroker,
  'suspend the broker': processes.suspendBroker,
  'hang the broker': processes.hangBroker,
  'kill requester and broker': processes.killRequesterAndBroker,
  'fill the disk': store.fillDisk,
};

const byFloods: Partial<Record<AttackName, (context: floods.FloodContext) => Promise<void>>> = {
  'forge heartbeats': floods.forgeHeartbeats,
  'invent nodes': floods.inventNodes,
  'alternate labels': floods.alternateLabels,
  'leave and return': floods.leaveAndReturn,
  'send garbage': floods.sendGarbage,
  'forge events': floods.forgeEvents,
  'write junk keys': floods.writeJunkKeys,
  'open half connections': floods.openHalfConnections,
};

/** Attacks that this version of the program does not withstand yet. */
const notYet: readonly string[] = ['hang the broker', 'forge events', 'write junk keys'];

/** The attacks that a campaign carries out. */
export const carriedOut = [...Object.keys(onProcesses), ...Object.keys(byFloods)].filter(
  name => !notYet.includes(name),
) as AttackName[];

export async function attack(
  { name, seed, holdMs }: Attack,
  stage: Stage,
  flood: Omit<floods.FloodContext, 'random'>,
): Promise<void> {
  const random = new SeededRandom(seed);
  await onProcesses[name]?.({ stage, random, holdMs });
  await byFloods[name]?.({ ...flood, random });
}
