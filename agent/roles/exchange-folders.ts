// Puts restored folders in the place of the present ones, in steps that the next start finishes when this process is killed.
import { lstat, rename, rmdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as v from 'valibot';
import { parseJson } from '../protocol/json.ts';
import { validate } from '../protocol/schema.ts';
import { errnoOf, MusterError } from '../system/errors.ts';
import { notWritable, removeFile, writeFileAtomic } from '../system/files.ts';
import { readOwnFile } from '../system/read-file.ts';

/** The file in the data folder that names the steps, while they are under way. */
export const stepsFile = 'restore.json';

const name = v.pipe(v.string(), v.regex(/^(requester|broker)(\.[A-Za-z0-9_-]{1,40})?$/));
const schema = v.object({
  /** Renames in the data folder, in order. */
  steps: v.pipe(v.array(v.object({ from: name, to: name })), v.maxLength(4)),
});
export type Step = v.InferOutput<typeof schema>['steps'][number];

/** Writes the steps to `folder`. They are due as soon as the file is in the data folder. @throws MusterError `not_writable` */
export function planExchange(folder: string, steps: readonly Step[]): Promise<void> {
  return writeFileAtomic(join(folder, stepsFile), `${JSON.stringify({ steps })}\n`);
}

/**
 * Carries out the steps that a restore has planned, also one that was killed. Does nothing when there are none. It runs before a
 * requester uses its folder. @throws MusterError `bad_state`, `not_writable`
 */
export async function finishExchange(data: string): Promise<void> {
  const path = join(data, stepsFile);
  const kept = await readOwnFile(path);
  if (!kept) return;
  for (const { from, to } of readSteps(path, kept.data)) await move(join(data, from), join(data, to));
  await removeFile(path);
}

function readSteps(path: string, data: Buffer): readonly Step[] {
  try {
    return validate(schema, parseJson(data)).steps;
  } catch (cause) {
    throw new MusterError('bad_state', `${path} cannot be read: it says how far a restore came`, {
      hint: 'move the folders by hand: the restored ones end in .restored, the earlier ones have the time in their names',
      cause,
    });
  }
}

// Sets a folder aside, or puts one in place. A folder that was set aside is never moved again: what has its former name now is
// the restored one. An empty folder in the way of that was made by a start between two steps.
async function move(from: string, to: string): Promise<void> {
  const setsAside = basename(to).includes('.');
  try {
    if (setsAside ? await exists(to) : !(await exists(from))) return;
    if (!setsAside) await rmdir(to).catch(() => undefined);
    await rename(from, to);
  } catch (error) {
    // Another process has just carried the step out.
    if (errnoOf(error) === 'ENOENT' || (setsAside && errnoOf(error) === 'ENOTEMPTY')) return;
    throw notWritable(to, error);
  }
}

const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    error => {
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    },
  );
