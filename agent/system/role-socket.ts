// This socket in a role's folder is a lock: while a process holds it, no other process can run that role there. It also
// answers the commands on this machine.
//
// The file control.sock is a symbolic link to the holder's socket, which has a random name. A killed holder leaves its link
// behind. A process that finds the holder dead creates a link `<name of the dead socket>.next` to its own socket. A link can
// be created only once, so a dead holder has exactly one successor, and only the successor moves control.sock.
import { randomBytes } from 'node:crypto';
import { open, readdir, readlink, rename, symlink, unlink } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { errnoOf, MusterError, reasonOf } from './errors.ts';
import { notWritable } from './files.ts';
import { withFolder, withSocket } from './safe-open.ts';

/** Answers one request. Request and answer are JSON documents on one line each. Throws MusterError to refuse. */
export type RoleHandler = (request: unknown) => Promise<unknown> | unknown;

export interface RoleSocket {
  close(): Promise<void>;
}

/** Name of the link to the holder's socket. */
const holderLink = 'control.sock';
const socketName = /^\.[\w-]{6}\.sock$/;
/** Length of the longest request or answer, in characters. */
const maxLength = 65_536;
/** Length of the longest error in an answer that is shown, in characters. */
const maxErrorLength = 1_024;
/** Time for one request and its answer, in milliseconds. */
const timeoutMs = 5_000;

/**
 * Holds `folder` for this process until the result is closed. @throws MusterError `in_use` with the text that `describe`
 * makes from the holder's status; `not_writable`; `bad_state`.
 */
export async function holdFolder(
  folder: string,
  handler: RoleHandler,
  describe: (status: unknown) => string,
): Promise<RoleSocket> {
  const own = `.${randomBytes(4).toString('base64url')}.sock`;
  const server = createServer(socket => answer(socket, handler));
  const end = async () => {
    server.close();
    await remove(folder, own);
  };
  try {
    await withShortPath(folder, path => listen(server, path(own)));
    await becomeHolder(folder, own, describe);
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
 * Asks the process that holds `folder`. Returns undefined when no process holds it. @throws MusterError when the process
 * refuses, or does not answer within 5 s.
 */
export async function askHolder(folder: string, request: unknown): Promise<unknown> {
  return (await ask(folder, holderLink, request))?.value;
}

async function becomeHolder(
  folder: string,
  own: string,
  describe: (status: unknown) => string,
): Promise<void> {
  for (let attempt = 0; attempt < 10; attempt++) {
    const dead = await joinQueue(folder, own, describe);
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

/**
 * Links `own` to the end of the queue. Returns the dead holders before it. Throws MusterError `in_use` when one of them
 * is alive.
 */
async function joinQueue(
  folder: string,
  own: string,
  describe: (status: unknown) => string,
): Promise<string[]> {
  let dead: string[] = [];
  let place = holderLink;
  while (!(await createLink(folder, own, place))) {
    const holder = await readHolder(folder, place);
    if (holder === undefined) continue;
    const answer = await ask(folder, holder, { command: 'status' }).catch(error => {
      throw new MusterError('in_use', `another process holds ${folder}: ${reasonOf(error)}`, {
        cause: error,
      });
    });
    if (!answer) {
      dead.push(holder);
      place = `${holder}.next`;
    } else if (place === holderLink || (await readQueue(folder)).includes(holder)) {
      throw new MusterError('in_use', describe(answer.value), {
        hint: 'stop that process first, or choose another folder with --data-dir',
      });
    } else {
      // That process is no longer in the queue, because the link was moved. It will notice that soon. We start again at the
      // link.
      dead = [];
      place = holderLink;
    }
  }
  return dead;
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

/** Returns whether a process listens on the socket. When this cannot be determined, it returns true. */
async function isListening(folder: string, name: string): Promise<boolean> {
  try {
    await withShortPath(folder, path => connectOnce(path(name)));
    return true;
  } catch (error) {
    return !meansNobodyListens(error);
  }
}

const meansNobodyListens = (error: unknown): boolean =>
  /^(ENOENT|ENOTDIR|ECONNREFUSED|ENOTSOCK)$/.test(errnoOf(error) ?? '');

// Removes a file. A file that cannot be removed does no harm, because nobody uses it.
async function remove(folder: string, name: string): Promise<void> {
  await unlink(join(folder, name)).catch(() => undefined);
}

/** Asks the process behind a socket. Returns undefined when there is none. */
async function ask(folder: string, name: string, request: unknown): Promise<{ value?: unknown } | undefined> {
  try {
    const text = await exchangeIn(folder, name, JSON.stringify(request));
    const { error, hint, ...reply } = parseReply(text);
    if (error === undefined) return reply;
    throw new MusterError('failed', error, hint ? { hint } : {});
  } catch (error) {
    if (meansNobodyListens(error)) return undefined;
    if (error instanceof MusterError) throw error;
    if (errnoOf(error) === 'EACCES') {
      throw new MusterError('not_allowed', `not allowed to ask the process in ${folder}`, {
        hint: 'run this command as the user that runs it, or as root',
        cause: error,
      });
    }
    throw new MusterError('failed', `the process in ${folder} does not answer: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

/** Reads what a role answered. Another user's program may be behind the socket. Throws an error that says what is wrong. */
function parseReply(text: string): {
  value?: unknown;
  error?: string | undefined;
  hint?: string | undefined;
} {
  const reply: unknown = JSON.parse(text);
  const { value, error, hint } = (reply ?? {}) as Record<string, unknown>;
  const isText = (member: unknown): member is string | undefined =>
    member === undefined || typeof member === 'string';
  if (typeof reply !== 'object' || reply === null || !isText(error) || !isText(hint))
    throw new Error('what it said is no answer of a role');
  const reason = error === '' ? 'it refused without a reason' : error;
  return { value, error: reason?.slice(0, maxErrorLength), hint: hint?.slice(0, maxErrorLength) };
}

/**
 * Sends a line to a socket in `folder`, and returns the answer. The folder may belong to another user, who must not make
 * root speak to any other socket. So only the links and sockets that a role makes are followed.
 */
async function exchangeIn(folder: string, name: string, line: string): Promise<string> {
  if (process.platform !== 'linux') return withShortPath(folder, path => exchange(path(name), line));
  return withFolder(folder, async ({ at }) => {
    const socket = name === holderLink ? await readlink(at(name)).catch(notALink) : name;
    if (!socketName.test(socket)) throw notASocket(at(socket));
    return withSocket(at(socket), path => exchange(path, line));
  });
}

function notALink(error: unknown): never {
  throw errnoOf(error) === 'EINVAL' ? notASocket(holderLink) : error;
}

const notASocket = (path: string) =>
  Object.assign(new Error(`${path} is not a socket of a role`), { code: 'ENOTSOCK' });

/**
 * Runs `work` with a function that returns the path of a name in `folder`. A socket's path may have only about a hundred
 * bytes (sun_path). On Linux a longer path is replaced by a path through the open folder.
 */
async function withShortPath<T>(
  folder: string,
  work: (path: (name: string) => string) => Promise<T>,
): Promise<T> {
  const maxPathBytes = 90;
  if (Buffer.byteLength(folder) <= maxPathBytes) return work(name => join(folder, name));
  if (process.platform !== 'linux') {
    throw new MusterError('bad_config', `the folder ${folder} has too long a path for a socket in it`, {
      hint: `choose a dataDir of at most ${maxPathBytes} bytes`,
    });
  }
  const handle = await open(folder, 'r');
  try {
    return await work(name => `/proc/self/fd/${handle.fd}/${name}`);
  } finally {
    await handle.close();
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // A later error, such as no free file descriptor for a connection, affects only that connection.
    server.on('error', reject);
    const before = process.umask(0o077);
    server.listen(path, resolve);
    process.umask(before);
  });
}

/** Connects to a socket and closes the connection. Rejects with the system's error. */
function connectOnce(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.on('error', reject);
  });
}

/** Sends a line and returns the answer. */
function exchange(path: string, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let text = '';
    socket.setEncoding('utf8');
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error('no answer within 5 s')));
    socket.on('connect', () => socket.write(`${line}\n`));
    socket.on('data', chunk => {
      text += chunk;
      if (text.length > maxLength) socket.destroy(new Error('the answer is too long'));
    });
    socket.on('error', reject);
    socket.on('end', () => resolve(text));
  });
}

function answer(socket: Socket, handler: RoleHandler): void {
  let text = '';
  // An open connection must not prevent the end of the process.
  socket.unref();
  socket.setEncoding('utf8');
  socket.setTimeout(timeoutMs, () => socket.destroy());
  // A client that disconnects before the answer does not need it.
  socket.on('error', () => socket.destroy());
  socket.on('data', chunk => {
    text += chunk;
    if (text.length > maxLength) return socket.destroy();
    const end = text.indexOf('\n');
    if (end < 0) return;
    socket.removeAllListeners('data');
    void reply(text.slice(0, end), handler).then(line => socket.end(line));
  });
}

async function reply(line: string, handler: RoleHandler): Promise<string> {
  try {
    return JSON.stringify({ value: await handler(JSON.parse(line)) });
  } catch (error) {
    const hint = error instanceof MusterError ? error.hint : undefined;
    return JSON.stringify({ error: reasonOf(error), hint });
  }
}
