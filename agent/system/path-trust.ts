// Finds out whether somebody else may change what a path leads to. What another user may change is not followed, and root
// refuses to use it.
import { lstatSync, readFileSync, type Stats } from 'node:fs';
import { lstat, readlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errnoOf } from './errors.ts';
import { isPackaged } from './packaged.ts';

/** A file or folder on a path that somebody else may write. */
export interface OtherWriter {
  readonly path: string;
  /** The user to whom it belongs. */
  readonly uid: number;
  /** Who may write it, as the end of a sentence about it, such as `belongs to user 1000`. */
  readonly how: string;
  /** Whether its mode lets others write. Otherwise its owner may write it. */
  readonly byMode: boolean;
  /** Whether it is a link, which the other user made. */
  readonly isLink?: boolean;
}

export interface WalkedPath {
  /**
   * The path without the links that were followed. Below `writer` it is as it was given, and has to be opened without
   * following links.
   */
  readonly path: string;
  /** The first file or folder on the path that somebody else may write; undefined when there is none. */
  readonly writer: OtherWriter | undefined;
}

/** Says which users and groups may write what this process trusts. */
export interface Trust {
  trustsUser(uid: number): boolean;
  trustsGroup(gid: number): boolean;
}

export interface WalkOptions {
  trust?: Trust;
  /** Whether a link at the end of the path is refused, whoever made it. */
  refuseLastLink?: boolean;
}

/** The bit of a folder that keeps users from replacing the files of others in it: inode(7). */
const sticky = 0o1000;
/** Number of links in one path, at most, as in Linux. */
const mostLinks = 40;

/**
 * Walks `path` from the root, and follows links that only trusted users can make or replace. @throws Error for a link
 * that somebody else made; the system's error when a part cannot be examined.
 */
export async function walkPath(path: string, options: WalkOptions = {}, links = 0): Promise<WalkedPath> {
  const { trust = trustOfThisProcess(), refuseLastLink = false } = options;
  const names = resolve(path).split('/').filter(Boolean);
  let current = '/';
  let info = await lstat(current);
  let writer = writerOf(current, info, trust);
  for (const [index, name] of names.entries()) {
    // The other user may change everything below at any moment, so it is not examined here.
    if (writer) return { path: join('/', ...names), writer };
    const isShared = info.isDirectory() && isWritableByOthers(info, trust);
    current = join(current, name);
    const next = await lstat(current).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (!next) return { path: join('/', ...names), writer: undefined };
    if (next.isSymbolicLink()) {
      if (refuseLastLink && index === names.length - 1)
        throw new RefusedLink('a symbolic link, which is not followed');
      if (isShared && !trust.trustsUser(next.uid)) throw plantedLink(current, next.uid);
      if (links === mostLinks) throw new Error(`${path} has too many symbolic links`);
      const target = resolve(dirname(current), await readlink(current));
      return walkPath(join(target, ...names.slice(index + 1)), options, links + 1);
    }
    info = next;
    writer = writerOf(current, info, trust);
  }
  return { path: join('/', ...names), writer };
}

/** Returns the first file or folder on `path` that somebody else may write; undefined when there is none. */
export async function findOtherWriter(path: string, trust?: Trust): Promise<OtherWriter | undefined> {
  try {
    return (await walkPath(path, trust ? { trust } : {})).writer;
  } catch (error) {
    if (error instanceof PlantedLink) return error.writer;
    throw error;
  }
}

/** Returns who may change `path`, as a clause. */
export const describeWriter = ({ path, how }: OtherWriter): string => `${path} ${how}`;

/**
 * Returns what to do so that only root may change `path`. @param place is a folder that is usual for such files and belongs
 * to root
 */
export function writerRemedy(path: string, writer: OtherWriter, place: string): string {
  if (writer.isLink) return `rm ${writer.path}`;
  if (writer.byMode) return `chmod go-w ${writer.path}`;
  if (writer.path === path) return `chown root ${path}`;
  return `move it to a folder that only root may write, such as ${place}, or: chown root ${writer.path}`;
}

/** The error for a link that is not followed, with what it is, such as `a symbolic link`. */
export class RefusedLink extends Error {}

/** The error for a link that another user may have made, so that this process uses another file. */
class PlantedLink extends RefusedLink {
  readonly writer: OtherWriter;

  constructor(writer: OtherWriter) {
    super(`${writer.path} is a symbolic link of user ${writer.uid}, which is not followed`);
    this.writer = writer;
  }
}

const plantedLink = (path: string, uid: number): PlantedLink =>
  new PlantedLink({ path, uid, how: `is a link of user ${uid}`, byMode: false, isLink: true });

function writerOf(path: string, info: Stats, trust: Trust): OtherWriter | undefined {
  const { uid, gid, mode } = info;
  if (!trust.trustsUser(uid)) return { path, uid, how: `belongs to user ${uid}`, byMode: false };
  // In a folder with the sticky bit, others may add files, but cannot replace those of trusted users.
  if (!isWritableByOthers(info, trust) || (info.isDirectory() && mode & sticky)) return undefined;
  const who = mode & 0o002 ? 'every user' : `group ${gid}`;
  const octal = (mode & 0o7777).toString(8).padStart(4, '0');
  return { path, uid, how: `may be written by ${who} (mode ${octal})`, byMode: true };
}

const isWritableByOthers = ({ mode, gid }: Stats, trust: Trust): boolean =>
  (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && !trust.trustsGroup(gid));

/**
 * Returns the trust of this process: in root, in its own user, in whoever may change the program itself, and in its own
 * private group. `others` are further users to trust.
 */
export function trustOfThisProcess(others: readonly number[] = []): Trust {
  const self = process.geteuid?.() ?? 0;
  const users = new Set([0, self, ...others]);
  return {
    trustsUser: uid => users.has(uid) || uid === programOwner() || !isMapped(uid),
    trustsGroup: gid => gid === self && isPrivateGroup(gid),
  };
}

/** Returns the trust of root, also when another user asks. */
export function trustOfRoot(): Trust {
  return {
    trustsUser: uid => uid === 0 || uid === programOwner() || !isMapped(uid),
    trustsGroup: gid => gid === 0 && isPrivateGroup(gid),
  };
}

// Each of the following is read once: it does not change while a process runs.

let owner: number | undefined;

/** Returns the owner of the checkout from which this program runs, who may change the program. Root for a packaged file. */
function programOwner(): number {
  owner ??= isPackaged() ? 0 : lstatSync(join(fileURLToPath(import.meta.url), '../../..')).uid;
  return owner;
}

let ranges: [first: number, count: number][] | undefined;

/**
 * Returns whether a process here can have the user `uid`. In a container with its own users, files of the host's users
 * are shown under one number that no process can have: user_namespaces(7).
 */
function isMapped(uid: number): boolean {
  ranges ??= linesOf('/proc/self/uid_map').map(line => {
    const [first = 0, , count = 0] = line.trim().split(/\s+/).map(Number);
    return [first, count];
  });
  return ranges.length === 0 || ranges.some(([first, count]) => uid >= first && uid < first + count);
}

const privateGroups = new Map<number, boolean>();

/** Returns whether nobody else is in the group: many systems give each user, and root, a group of the same number. */
function isPrivateGroup(gid: number): boolean {
  const known = privateGroups.get(gid);
  if (known !== undefined) return known;
  const members = linesOf('/etc/group').flatMap(line => {
    const [name, , number, listed = ''] = line.split(':');
    return Number(number) === gid ? listed.split(',').filter(member => member && member !== name) : [];
  });
  privateGroups.set(gid, members.length === 0);
  return members.length === 0;
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').filter(Boolean);
  } catch {
    return [];
  }
}
