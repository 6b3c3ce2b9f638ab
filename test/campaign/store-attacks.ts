// Attacks on the store: a full disk, damaged files, and a bucket that is purged.
import { setTimeout as pause } from 'node:timers/promises';
import type { AttackContext } from './process-attacks.ts';

export async function fillDisk({ stage, holdMs }: AttackContext): Promise<void> {
  if (!stage.disk) throw new Error('there is no disk to fill');
  await stage.disk.fill();
  await pause(holdMs);
  await stage.disk.makeRoom();
}
