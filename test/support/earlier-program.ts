// Takes the program of an earlier commit out of the history of this checkout, for tests in which two versions run side by side.
import { execFile } from 'node:child_process';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const checkout = fileURLToPath(new URL('../../', import.meta.url));

/**
 * The commit whose program counts as the earlier one. It is the last one in which a store has a single requester. There is no
 * tag yet: when a version is released, its tag takes this place, because SECURITY.md makes its promise about released versions.
 */
const earlierCommit = '6f8c10244e24a0639199bc718b9da79b835cb34d';

/** Returns why the earlier program cannot be had; undefined when it can. An archive of the sources has no history. */
export async function whyNoEarlierProgram(): Promise<string | undefined> {
  return run('git', ['-C', checkout, 'cat-file', '-e', `${earlierCommit}^{tree}`]).then(
    () => undefined,
    () => `this checkout has no git history that reaches back to commit ${earlierCommit.slice(0, 8)}`,
  );
}

/** Writes the sources of the earlier program into `folder`, without the native probe, and returns the entry file. */
export async function earlierProgram(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const archive = join(folder, 'sources.tar');
  await run('git', ['-C', checkout, 'archive', '-o', archive, earlierCommit, 'agent', 'package.json']);
  await run('tar', ['-xf', archive, '-C', folder]);
  // It runs with the packages of today, which are compatible by their versions.
  await symlink(join(checkout, 'node_modules'), join(folder, 'node_modules'));
  return join(folder, 'agent', 'main.ts');
}
