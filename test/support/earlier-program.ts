// Takes the program of an earlier commit out of the history of this checkout, for tests in which two versions run side by side.
import { execFile } from 'node:child_process';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const checkout = fileURLToPath(new URL('../../', import.meta.url));

/**
 * The commits whose programs count as earlier ones. There is no tag yet: when a version is released, its tag takes their place,
 * because SECURITY.md makes its promise about released versions.
 */
export const earlierCommits = {
  /** The last one in which a store has a single requester. */
  oneRequester: '6f8c10244e24a0639199bc718b9da79b835cb34d',
  /** The first landed one in which several requesters keep one roll on one server and on three. */
  severalRequesters: '4ba8ccb6a24dbe38006707c6ef5c2861e58dd61e',
};

/** Returns why an earlier program cannot be had; undefined when it can. An archive of the sources has no history. */
export async function whyNoEarlierProgram(): Promise<string | undefined> {
  for (const commit of Object.values(earlierCommits)) {
    const isThere = await run('git', ['-C', checkout, 'cat-file', '-e', `${commit}^{tree}`]).then(
      () => true,
      () => false,
    );
    if (!isThere) return `this checkout has no git history that reaches back to commit ${commit.slice(0, 8)}`;
  }
  return undefined;
}

/** Writes the sources of the program at `commit` into `folder`, without the native probe, and returns the entry file. */
export async function earlierProgram(folder: string, commit: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const archive = join(folder, 'sources.tar');
  await run('git', ['-C', checkout, 'archive', '-o', archive, commit, 'agent', 'package.json']);
  await run('tar', ['-xf', archive, '-C', folder]);
  // It runs with the packages of today, which are compatible by their versions.
  await symlink(join(checkout, 'node_modules'), join(folder, 'node_modules'));
  return join(folder, 'agent', 'main.ts');
}
