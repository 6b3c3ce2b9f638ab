// This hidden command prints the inventory of this machine, one JSON document. An agent runs it as a short-lived child process.
import { collectInventory } from '../../host/inventory/collect.ts';
import { print } from '../../output/terminal.ts';

export async function run(): Promise<number> {
  print(`${JSON.stringify(await collectInventory())}\n`);
  return 0;
}
