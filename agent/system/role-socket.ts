// This socket in a role's folder is a lock: while a process holds it, no other process can run that role there. It also
// answers the commands on this machine.
//
// The file control.sock is a symbolic link to the holder's socket, which has a random name. A killed holder leaves its link
// behind. A process that finds the holder dead creates a link `<name of the dead socket>.next` to its own socket. A link can
// be created only once, so a dead holder has exactly one successor, and only the successor moves control.sock.
import { randomBytes } from 'node:crypto';
import { readdir, readlink, rename, symlink, unlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { errnoOf, MusterError, reasonOf } from './errors.ts';
import { notWritable } from './files.ts';
import {
  answer,
  ask,
  holderLink,
  isListening,
  listen,
  type RoleHandler,
  socketName,
  withShortPath,
} from './socket-request.ts';

export interface RoleSocket {
  close(): Promise<void>;
}

/**
 * Holds `folder` for this process until the result is closed. @throws MusterError `in_use` with the text that `describe`
 * makes from the holder's status, and with `hint`; `not_writable`; `bad_state`.
 */
export async function holdFolder(
  folder: string,
  handler: RoleHandler,
  describe: (status: unknown) => string,
  hint = 'stop that process first, or choose another folder with --data-dir',
): Promise<RoleSocket> {
  const own = `.${randomBytes(4).toString('base64url')}.sock`;
  const server = createServer(socket => answer(socket, handler));
  const end = async () => {
    server.close();
    await remove(folder, own);
  };
  try {
    await withShortPath(folder, path => listen(server, path(own)));
    await becomeHolder(folder, own, holder => inUse(describe(holder), hint));
    await removeLeftLinks(folder, own);
  } catch (error) {
    await end();
    throw error instanceof MusterError ? error : notWritable(folder, error);
  }
  return {
    async close() {
      // Nobody moves the link while this socket listens. So a link that leads to this socket is ours and can be removed.
      if ((await readHolder(folder, holderLink).catch(() => undefined)) === own)
        await remove(folder, holderLink);
      await end();
    },
  };
}

/**
 * Asks the process that holds `folder`. Returns undefined when no process holds it, also when that ended while it was asked
 * for its status. @throws MusterError when the process refuses, ends before it answers another request, or does not answer
 * within 5 s.
 */
export async function askHolder(folder: string, request: unknown): Promise<unknown> {
  return (await ask(folder, holderLink, request))?.value;
}

async function becomeHolder(
  folder: string,
  own: string,
  refusal: (status: unknown) => MusterError,
): Promise<void> {
  for (let attempt = 0; attempt < 10; attempt++) {
    const dead = await joinQueue(folder, own, refusal);
    const last = dead.at(-1);
    if (last === undefined) return;
    // A socket's name is never used again. If the queue still contains our socket, nobody has moved the link in the
    // meantime.
    if ((await readQueue(folder)).includes(own)) {
      await symlink(own, join(folder, `${own}.new`));
      await rename(join(folder, `${own}.new`), join(folder, holderLink));
      for (const name of dead) {
        await remove(folder, `${name}.next`);
        await remove(folder, name);
      }
      return;
    }
    // Another successor became the holder and removed the queue in the meantime.
    await remove(folder, `${last}.next`);
  }
  throw new MusterError('in_use', `${join(folder, holderLink)} cannot be taken: others keep taking it`);
}

const inUse = (text: string, hint: string): MusterError => new MusterError('in_use', text, { hint });

/**
 * Links `own` to the end of the queue. Returns the dead holders before it. Throws what `refusal` makes when one of them is
 * alive.
 */
async function joinQueue(
  folder: string,
  own: string,
  refusal: (status: unknown) => MusterError,
): Promise<string[]> {
  let dead: string[] = [];
  let place = holderLink;
  while (!(await createLink(folder, own, place))) {
    const holder = await readHolder(folder, place);
    if (holder === undefined) continue;
    const answer = await askStatus(folder, holder);
    if (!answer) {
      dead.push(holder);
      place = `${holder}.next`;
    } else if (place === holderLink || (await readQueue(folder)).includes(holder)) {
      throw refusal(answer.value);
    } else {
      // That process is no longer in the queue, because the link was moved. It will notice that soon. We start again at the
      // link.
      dead = [];
      place = holderLink;
    }
  }
  return dead;
}

/**
 * Returns the answer of the process behind a socket; undefined when it is dead. @throws MusterError `in_use` when it gives
 * none.
 */
async function askStatus(folder: string, name: string): Promise<{ value?: unknown } | undefined> {
  try {
    return await ask(folder, name, { command: 'status' });
  } catch (error) {
    throw new MusterError('in_use', `another process holds ${folder}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

/** Returns the names of the sockets in the queue: the holder, which the link names, and its successors. */
async function readQueue(folder: string): Promise<string[]> {
  const queue: string[] = [];
  let holder = await readHolder(folder, holderLink);
  while (holder !== undefined && !queue.includes(holder)) {
    queue.push(holder);
    holder = await readHolder(folder, `${holder}.next`);
  }
  return queue;
}

/** Creates the link `place` to `own`. Returns false when the link exists already. */
async function createLink(folder: string, own: string, place: string): Promise<boolean> {
  try {
    await symlink(own, join(folder, place));
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Returns the name of the socket to which the link `place` leads; undefined when there is no such link. */
async function readHolder(folder: string, place: string): Promise<string | undefined> {
  const path = join(folder, place);
  const name = await readlink(path).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined;
    if (errnoOf(error) === 'EINVAL') return '';
    throw error;
  });
  if (name === undefined || socketName.test(name)) return name;
  throw new MusterError('bad_state', `${path} is not a link that muster made`, {
    hint: 'remove it and try again',
  });
}

/**
 * Removes the sockets and links that killed processes left. A socket that listens is not removed: its process will soon
 * notice that this process is the holder.
 */
async function removeLeftLinks(folder: string, own: string): Promise<void> {
  const names = await readdir(folder).catch((): string[] => []);
  for (const name of names) {
    const socket = /^(\.[\w-]{6}\.sock)(\.next|\.new)?$/.exec(name)?.[1];
    if (socket !== undefined && socket !== own && !(await isListening(folder, socket)))
      await remove(folder, name);
  }
}

// Removes a file. A file that cannot be removed does no harm, because nobody uses it.
async function remove(folder: string, name: string): Promise<void> {
  await unlink(join(folder, name)).catch(() => undefined);
}
