// A socket in a role's folder: while it is held nobody else can run that role there, and it answers the local commands.
import { link, open, rename, stat, unlink } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { errnoOf, MusterError, reasonOf } from './errors.ts';

/** Answers one request, each a JSON document on one line. Throws MusterError to refuse. */
export type RoleHandler = (request: unknown) => Promise<unknown> | unknown;

export interface RoleSocket {
  close(): Promise<void>;
}

const socketName = 'control.sock';
const maxBytes = 65_536;
/** Milliseconds for one request and its answer. */
const deadline = 5_000;

/**
 * Holds `folder` for this process until closed.
 * @throws MusterError `in_use` with `describe`'s words for the holder; `not_writable`.
 */
export async function holdFolder(
  folder: string,
  handler: RoleHandler,
  describe: (status: unknown) => string,
): Promise<RoleSocket> {
  const path = join(folder, socketName);
  const own = join(folder, `.${process.pid}.sock`);
  await unlink(own).catch(() => undefined);
  const place = await reach(folder);
  const server = createServer(socket => answer(socket, handler));
  try {
    await listen(server, place.path(`.${process.pid}.sock`));
    await take(path, own, folder, describe);
  } catch (error) {
    server.close();
    await unlink(own).catch(() => undefined);
    throw error;
  } finally {
    await place.close();
  }
  const inode = (await stat(path)).ino;
  return {
    async close() {
      server.close();
      const found = await stat(path).catch(() => undefined);
      if (found?.ino === inode) await unlink(path).catch(() => undefined);
    },
  };
}

/**
 * Asks the process that holds `folder`; undefined when none does.
 * @throws MusterError when it refuses, or does not answer within 5 s.
 */
export async function askHolder(folder: string, request: unknown): Promise<unknown> {
  const place = await reach(folder).catch(() => undefined);
  if (!place) return undefined;
  try {
    const text = await exchange(place.path(socketName), JSON.stringify(request));
    const reply = JSON.parse(text) as { value?: unknown; error?: string; hint?: string };
    if (reply.error !== undefined)
      throw new MusterError('failed', reply.error, reply.hint ? { hint: reply.hint } : {});
    return reply.value;
  } catch (error) {
    if (['ENOENT', 'ECONNREFUSED', 'ENOTSOCK'].includes(errnoOf(error) ?? '')) return undefined;
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
  } finally {
    await place.close();
  }
}

// The socket is made under a name of its own, then linked into place: link(2) fails when the place is taken, so two
// starts cannot both win. A socket that nobody answers was left by a process that was killed.
async function take(
  path: string,
  own: string,
  folder: string,
  describe: (status: unknown) => string,
): Promise<void> {
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      await link(own, path);
      await unlink(own);
      return;
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') {
        throw new MusterError('not_writable', `cannot write ${path}: ${reasonOf(error)}`, { cause: error });
      }
    }
    const before = await stat(path).catch(() => undefined);
    const status = await askHolder(folder, { command: 'status' }).catch(error => {
      throw new MusterError('in_use', `another process holds ${folder}, but does not answer: ${reasonOf(error)}`);
    });
    if (status !== undefined) throw new MusterError('in_use', describe(status));
    if (before) await clear(path, before.ino);
  }
  throw new MusterError('in_use', `${path} cannot be taken: others keep taking it`);
}

// Only the very socket that did not answer may go: between our look and our move another start may have replaced it.
async function clear(path: string, inode: number): Promise<void> {
  const aside = `${path}.${process.pid}.stale`;
  try {
    await rename(path, aside);
    if ((await stat(aside)).ino !== inode) await link(aside, path).catch(() => undefined);
    await unlink(aside);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

interface Place {
  path(name: string): string;
  close(): Promise<void>;
}

// A socket's path may have some hundred bytes at most (sun_path); through an open folder the length does not matter.
async function reach(folder: string): Promise<Place> {
  const longest = 90;
  if (Buffer.byteLength(folder) <= longest) {
    return { path: name => join(folder, name), close: async () => undefined };
  }
  if (process.platform !== 'linux') {
    throw new MusterError('bad_config', `the folder ${folder} has too long a path for a socket in it`, {
      hint: `choose a dataDir of at most ${longest} bytes`,
    });
  }
  const handle = await open(folder, 'r');
  return { path: name => `/proc/self/fd/${handle.fd}/${name}`, close: () => handle.close() };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', error =>
      reject(
        new MusterError('not_writable', `cannot make a socket in ${path}: ${reasonOf(error)}`, {
          cause: error,
        }),
      ),
    );
    const before = process.umask(0o077);
    server.listen(path, resolve);
    process.umask(before);
  });
}

function exchange(path: string, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let text = '';
    socket.setEncoding('utf8');
    socket.setTimeout(deadline, () => socket.destroy(new Error('no answer within 5 s')));
    socket.on('connect', () => socket.write(`${line}\n`));
    socket.on('data', chunk => {
      text += chunk;
      if (text.length > maxBytes) socket.destroy(new Error('the answer is too long'));
    });
    socket.on('error', reject);
    socket.on('end', () => resolve(text));
  });
}

function answer(socket: Socket, handler: RoleHandler): void {
  let text = '';
  socket.setEncoding('utf8');
  socket.setTimeout(deadline, () => socket.destroy());
  // Whoever goes away before the answer does not want it.
  socket.on('error', () => socket.destroy());
  socket.on('data', chunk => {
    text += chunk;
    if (text.length > maxBytes) return socket.destroy();
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
