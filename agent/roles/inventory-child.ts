// The hidden command that takes the inventory: an agent runs it as a short-lived child of its own.
export async function run(): Promise<number> {
  const { runInventoryChild } = await import('../host/inventory-child.ts');
  await runInventoryChild();
  return 0;
}
