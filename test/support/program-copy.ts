// Copies the program, for tests that need it without its native probe or with another version.
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('../../', import.meta.url));

/** Makes a copy without the native probe, as on a machine that cannot build it, and returns the entry file of the copy. */
export async function programWithoutProbe(): Promise<{ main: string; release(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-copy-'));
  return { main: await copyProgram(folder), release: () => rm(folder, { recursive: true }) };
}

/** Copies the sources into `folder`, without the native probe, and returns the entry file. */
export async function copyProgram(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  await cp(join(checkout, 'agent'), join(folder, 'agent'), { recursive: true });
  await cp(join(checkout, 'package.json'), join(folder, 'package.json'));
  await symlink(join(checkout, 'node_modules'), join(folder, 'node_modules'));
  return join(folder, 'agent', 'main.ts');
}

/** Gives the copy in `folder` another version. */
export async function setVersion(folder: string, version: string): Promise<void> {
  const file = join(folder, 'agent', 'system', 'version.ts');
  const text = await readFile(file, 'utf8');
  const changed = text.replace(/version = '[^']*'/, `version = '${version}'`);
  if (changed === text) throw new Error(`${file} contains no version`);
  await writeFile(file, changed);
}
