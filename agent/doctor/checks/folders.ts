// Checks that the data folders exist or can be created, can be written, and cannot be written by other users.
import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, reasonOf } from '../../system/errors.ts';
import {
  describeWriter,
  findOtherWriter,
  trustOfThisProcess,
  writerRemedy,
} from '../../system/path-trust.ts';
import { withFolder } from '../../system/safe-open.ts';
import { type Check, type Finding, failed, ok, runAsRoot, warning } from './check.ts';
import { type Context, exists } from './context.ts';

export const folders = (context: Context): Check => ({
  name: 'folders',
  async run() {
    const { data, roles, folderOf } = context;
    const own = roles.flatMap(role =>
      role === 'requester' ? [folderOf(role), folderOf('broker')] : [folderOf(role)],
    );
    const there: string[] = [];
    for (const folder of [data, ...own]) if (await existsOrDenied(folder)) there.push(folder);
    const findings = [
      ...(await Promise.all(there.map(checkFolder))).flat(),
      ...(await checkOtherWriters(there)),
    ];
    if (there[0] === data) return findings.some(({ status }) => status !== 'ok') ? findings : [ok(data)];
    return [await canBeMade(data)];
  },
});

// Returns whether a folder exists. A folder that this user may not see counts as existing.
const existsOrDenied = (folder: string) => exists(folder).catch(() => true);

async function checkFolder(folder: string): Promise<Finding[]> {
  const planted = await findPlantedLink(folder);
  if (planted) return [failed(planted, 'look where it leads, and replace it by a folder')];
  const info = await stat(folder).catch((error: unknown) => errnoOf(error) ?? reasonOf(error));
  if (typeof info === 'string') return [notUsable(folder, info)];
  if (!info.isDirectory())
    return [failed(`${folder} is not a folder`, 'move it away, or choose another dataDir')];
  const findings: Finding[] = [];
  // When the sticky bit is set, other users may add files, but cannot remove or rename existing ones.
  if (info.mode & 0o022 && !(info.mode & 0o1000)) {
    findings.push(
      failed(`${folder} can be written by others (mode ${octal(info.mode)})`, `chmod 700 ${folder}`),
    );
  }
  const why = await accessProblem(folder);
  if (why) findings.push(why);
  return findings;
}

/** Returns a sentence about a link in the place of the folder that somebody else may have planted; undefined without one. */
async function findPlantedLink(folder: string): Promise<string | undefined> {
  try {
    await withFolder(folder, async () => undefined);
  } catch (error) {
    const reason = reasonOf(error);
    if (reason.includes('symbolic link')) return reason.includes(folder) ? reason : `${folder} is ${reason}`;
  }
  return undefined;
}

/**
 * Returns a failure when somebody else than root, this user and the owner of the data folder may change a folder, or a
 * folder above it. The mode of the folders themselves is checked above.
 */
async function checkOtherWriters([data, ...own]: string[]): Promise<Finding[]> {
  const info = data === undefined ? undefined : await stat(data).catch(() => undefined);
  if (!info || data === undefined) return [];
  const trust = trustOfThisProcess([info.uid]);
  for (const folder of [data, ...own]) {
    const writer = await findOtherWriter(folder, trust).catch(() => undefined);
    if (!writer || (writer.byMode && writer.path === folder)) continue;
    const text = `somebody else may change what is in ${folder}: ${describeWriter(writer)}`;
    return [failed(text, writerRemedy(folder, writer, '/var/lib'))];
  }
  return [];
}

const octal = (mode: number) => (mode & 0o7777).toString(8);

/** Returns a finding when the folder cannot be written. It asks the system and writes nothing. */
async function accessProblem(folder: string): Promise<Finding | undefined> {
  try {
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    const code = errnoOf(error) ?? reasonOf(error);
    if (code === 'EROFS') {
      return failed(
        `${folder} is on a file system that is read-only`,
        'mount it for writing, or choose another dataDir',
      );
    }
    return notUsable(folder, code);
  }
}

function notUsable(folder: string, code: string): Finding {
  const root = process.geteuid?.() === 0;
  if (code === 'EACCES' && !root) {
    return warning(`this user may not use ${folder}`, runAsRoot);
  }
  return failed(
    `${folder} cannot be used: ${code}`,
    'let the user of the role own it, or choose another dataDir',
  );
}

/** Returns `folder`, or the nearest existing folder above it. */
export async function nearestExistingFolder(folder: string): Promise<string> {
  let current = folder;
  while (!(await existsOrDenied(current)) && current !== dirname(current)) current = dirname(current);
  return current;
}

async function canBeMade(folder: string): Promise<Finding> {
  const why = await accessProblem(await nearestExistingFolder(dirname(folder)));
  if (!why) return ok(`${folder} does not exist yet: the first start makes it`);
  const text = `${folder} does not exist yet, and this user cannot make it: ${why.text}`;
  return warning(text, why.remedy ?? '');
}
