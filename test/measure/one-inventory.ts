// This worker measures what one inventory costs, with all processes that it starts.

import { takeInventory } from '../../agent/host/inventory/inventory.ts';
import { ownCommand } from '../../agent/roles/own-command.ts';
import { childrenOf } from './processes.ts';
import { report } from './worker.ts';

/** CPU time and duration of one inventory, in milliseconds. */
export interface InventoryReport {
  cpuMs: number;
  timeMs: number;
}

const turnCount = 5;

const before = childrenOf(process.pid).cpuUs;
const began = performance.now();
for (let turn = 0; turn < turnCount; turn++) await takeInventory(ownCommand('inventory-child'));
const timeMs = (performance.now() - began) / turnCount;
report({
  cpuMs: (childrenOf(process.pid).cpuUs - before) / 1000 / turnCount,
  timeMs,
} satisfies InventoryReport);
