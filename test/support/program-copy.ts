// The program as it is where the native probe could not be built: a copy of its sources without it.
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('../../', import.meta.url));

/** Its entry file, and how to remove it. */
export async function programWithoutProbe(): Promise<{ main: string; release(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-copy-'));
  await cp(join(checkout, 'agent'), join(folder, 'agent'), { recursive: true });
  await cp(join(checkout, 'package.json'), join(folder, 'package.json'));
  await symlink(join(checkout, 'node_modules'), join(folder, 'node_modules'));
  return { main: join(folder, 'agent', 'main.ts'), release: () => rm(folder, { recursive: true }) };
}
