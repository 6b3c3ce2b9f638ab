// A worker: what one inventory costs, with all the processes that it starts.

import { takeInventory } from '../../agent/host/inventory/inventory.ts';
import { ownCommand } from '../../agent/roles/own-command.ts';
import { childrenOf } from './processes.ts';
import { report } from './worker.ts';

/** Milliseconds. */
export interface InventoryReport {
  cpu: number;
  time: number;
}

const turns = 5;

const before = childrenOf(process.pid).cpu;
const began = performance.now();
for (let turn = 0; turn < turns; turn++) await takeInventory(ownCommand('inventory-child'));
const time = (performance.now() - began) / turns;
report({ cpu: (childrenOf(process.pid).cpu - before) / 1000 / turns, time } satisfies InventoryReport);
