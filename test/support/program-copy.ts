// Copies of the program: as it is where the native probe could not be built, and of another version.
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('../../', import.meta.url));

/** Its entry file, and how to remove it. */
export async function programWithoutProbe(): Promise<{ main: string; release(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-copy-'));
  return { main: await copyProgram(folder), release: () => rm(folder, { recursive: true }) };
}

/** Copies the sources into `folder`, without the native probe; answers the entry file. */
export async function copyProgram(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  await cp(join(checkout, 'agent'), join(folder, 'agent'), { recursive: true });
  await cp(join(checkout, 'package.json'), join(folder, 'package.json'));
  await symlink(join(checkout, 'node_modules'), join(folder, 'node_modules'));
  return join(folder, 'agent', 'main.ts');
}

/** Gives a copy another version. */
export async function setVersion(folder: string, version: string): Promise<void> {
  const file = join(folder, 'agent', 'system', 'version.ts');
  const text = await readFile(file, 'utf8');
  const changed = text.replace(/version = '[^']*'/, `version = '${version}'`);
  if (changed === text) throw new Error(`${file} holds no version`);
  await writeFile(file, changed);
}
