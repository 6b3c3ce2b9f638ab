// A socket in a role's folder: while it is held nobody else can run that role there, and it answers the local commands.
import { randomBytes } from 'node:crypto';
import { open, readdir, readlink, rename, symlink, unlink } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { errnoOf, MusterError, reasonOf } from './errors.ts';
import { notWritable } from './files.ts';

/** Answers one request, each a JSON document on one line. Throws MusterError to refuse. */
export type RoleHandler = (request: unknown) => Promise<unknown> | unknown;

export interface RoleSocket {
  close(): Promise<void>;
}

/** A link to the socket of the process that holds the folder, which has a name of its own. */
const holderLink = 'control.sock';
const maxBytes = 65_536;
/** Milliseconds for one request and its answer. */
const deadline = 5_000;

/**
 * Holds `folder` for this process until closed.
 * @throws MusterError `in_use` with `describe`'s words for the holder; `not_writable`; `bad_state`.
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
    await within(folder, path => listen(server, path(own)));
    await take(folder, own, describe);
    await tidy(folder, own);
  } catch (error) {
    await end();
    throw error instanceof MusterError ? error : notWritable(folder, error);
  }
  return {
    async close() {
      // While this still listens nobody else moves the link, so what is removed is ours.
      if ((await holderAt(folder, holderLink).catch(() => undefined)) === own)
        await remove(folder, holderLink);
      await end();
    },
  };
}

/**
 * Asks the process that holds `folder`; undefined when none does.
 * @throws MusterError when it refuses, or does not answer within 5 s.
 */
export async function askHolder(folder: string, request: unknown): Promise<unknown> {
  return (await ask(folder, holderLink, request))?.value;
}

// A holder that is killed leaves its link behind. Whoever finds it dead makes a link `<its name>.next` to a socket of its
// own; making a link fails where there is one, so a dead holder has one successor, and that one alone moves the link.
async function take(folder: string, own: string, describe: (status: unknown) => string): Promise<void> {
  for (let attempt = 0; attempt < 10; attempt++) {
    const dead = await standInLine(folder, own, describe);
    const last = dead.at(-1);
    if (last === undefined) return;
    // Names are never used again: if the line from the link on leads here, nobody has moved it since.
    if ((await lineOf(folder)).includes(own)) {
      await symlink(own, join(folder, `${own}.new`));
      await rename(join(folder, `${own}.new`), join(folder, holderLink));
      for (const name of dead) {
        await remove(folder, `${name}.next`);
        await remove(folder, name);
      }
      return;
    }
    // A successor had come and tidied up while we looked.
    await remove(folder, `${last}.next`);
  }
  throw new MusterError('in_use', `${join(folder, holderLink)} cannot be taken: others keep taking it`);
}

/** Puts `own` at the end of the line; answers the dead holders before it. Throws MusterError `in_use` for a living one. */
async function standInLine(
  folder: string,
  own: string,
  describe: (status: unknown) => string,
): Promise<string[]> {
  let dead: string[] = [];
  let place = holderLink;
  while (!(await linked(folder, own, place))) {
    const holder = await holderAt(folder, place);
    if (holder === undefined) continue;
    const found = await ask(folder, holder, { command: 'status' }).catch(error => {
      throw new MusterError('in_use', `another process holds ${folder}: ${reasonOf(error)}`, {
        cause: error,
      });
    });
    if (!found) {
      dead.push(holder);
      place = `${holder}.next`;
    } else if (place === holderLink || (await lineOf(folder)).includes(holder)) {
      throw new MusterError('in_use', describe(found.value));
    } else {
      // That one came late, and is about to find out; the link leads elsewhere by now.
      dead = [];
      place = holderLink;
    }
  }
  return dead;
}

async function lineOf(folder: string): Promise<string[]> {
  const line: string[] = [];
  let holder = await holderAt(folder, holderLink);
  while (holder !== undefined && !line.includes(holder)) {
    line.push(holder);
    holder = await holderAt(folder, `${holder}.next`);
  }
  return line;
}

async function linked(folder: string, own: string, place: string): Promise<boolean> {
  try {
    await symlink(own, join(folder, place));
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** The name of the socket that `place` leads to; undefined when there is no such link. */
async function holderAt(folder: string, place: string): Promise<string | undefined> {
  const path = join(folder, place);
  const name = await readlink(path).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined;
    if (errnoOf(error) === 'EINVAL') return '';
    throw error;
  });
  if (name === undefined || /^\.[\w-]{6}\.sock$/.test(name)) return name;
  throw new MusterError('bad_state', `${path} is none of muster's links`, {
    hint: 'remove it and try again',
  });
}

/**
 * Removes what those left that were killed before they held the folder, or as they gave it up. A socket that listens is of
 * one who has yet to find out that we hold it.
 */
async function tidy(folder: string, own: string): Promise<void> {
  const names = await readdir(folder).catch((): string[] => []);
  for (const name of names) {
    const socket = /^(\.[\w-]{6}\.sock)(\.next|\.new)?$/.exec(name)?.[1];
    if (socket !== undefined && socket !== own && !(await listens(folder, socket)))
      await remove(folder, name);
  }
}

/** Does anybody listen there? One that cannot be asked may. */
async function listens(folder: string, name: string): Promise<boolean> {
  try {
    await within(folder, path => reach(path(name)));
    return true;
  } catch (error) {
    return !isNobody(error);
  }
}

const isNobody = (error: unknown): boolean =>
  /^(ENOENT|ENOTDIR|ECONNREFUSED|ENOTSOCK)$/.test(errnoOf(error) ?? '');

// What is gone is gone, and what cannot be removed is dead and in nobody's way.
async function remove(folder: string, name: string): Promise<void> {
  await unlink(join(folder, name)).catch(() => undefined);
}

/** Asks the process behind a socket; undefined when there is none. */
async function ask(folder: string, name: string, request: unknown): Promise<{ value?: unknown } | undefined> {
  try {
    const text = await within(folder, path => exchange(path(name), JSON.stringify(request)));
    const { error, hint, ...reply } = JSON.parse(text) as { value?: unknown; error?: string; hint?: string };
    if (error === undefined) return reply;
    throw new MusterError('failed', error, hint ? { hint } : {});
  } catch (error) {
    if (isNobody(error)) return undefined;
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

// A socket's path may have some hundred bytes at most (sun_path); through an open folder the length does not matter.
async function within<T>(folder: string, work: (path: (name: string) => string) => Promise<T>): Promise<T> {
  const longest = 90;
  if (Buffer.byteLength(folder) <= longest) return work(name => join(folder, name));
  if (process.platform !== 'linux') {
    throw new MusterError('bad_config', `the folder ${folder} has too long a path for a socket in it`, {
      hint: `choose a dataDir of at most ${longest} bytes`,
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
    // Later ones, such as no file descriptor for one more connection, are that connection's loss.
    server.on('error', reject);
    const before = process.umask(0o077);
    server.listen(path, resolve);
    process.umask(before);
  });
}

function reach(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.on('error', reject);
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
  // Nobody who asks keeps a process from ending.
  socket.unref();
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
