// This hidden command takes the inventory of this machine. An agent runs it as a short-lived child process.
import { printInventory } from '../../host/inventory/collect.ts';

export async function run(): Promise<number> {
  await printInventory();
  return 0;
}
