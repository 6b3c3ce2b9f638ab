// Sends a request to the socket of a role, and answers one. Request and answer are one line of JSON each.
import { open, readlink } from 'node:fs/promises';
import { connect, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { errnoOf, MusterError, reasonOf } from './errors.ts';
import { withFolder, withSocket } from './safe-open.ts';

/** Answers one request. Request and answer are JSON documents on one line each. Throws MusterError to refuse. */
export type RoleHandler = (request: unknown) => Promise<unknown> | unknown;

/** Name of the link to the holder's socket. */
export const holderLink = 'control.sock';
export const socketName = /^\.[\w-]{6}\.sock$/;
/** Length of the longest request or answer, in characters. */
const maxLength = 65_536;
/** Length of the longest error in an answer that is shown, in characters. */
const maxErrorLength = 1_024;
/** Time for one request and its answer, in milliseconds. */
const timeoutMs = 5_000;

/** Number of attempts to ask a process that stops listening meanwhile. */
const attempts = 20;

interface Reply {
  value?: unknown;
}

/**
 * Asks the process behind a socket. Returns undefined when there is none. A process that ends while it is asked is asked
 * again, if that does no harm: then nobody listens at the next attempt.
 */
export async function ask(folder: string, name: string, request: unknown): Promise<Reply | undefined> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await askOnce(folder, name, request);
    } catch (error) {
      if (attempt === attempts || !mayBeSentAgain(request, error)) throw error;
    }
  }
}

async function askOnce(folder: string, name: string, request: unknown): Promise<Reply | undefined> {
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

/** Returns whether a process listens on the socket. When this cannot be determined, it returns true. */
export async function isListening(folder: string, name: string): Promise<boolean> {
  try {
    await withShortPath(folder, path => connectOnce(path(name)));
    return true;
  } catch (error) {
    return !meansNobodyListens(error);
  }
}

const meansNobodyListens = (error: unknown): boolean =>
  /^(ENOENT|ENOTDIR|ECONNREFUSED|ENOTSOCK)$/.test(errnoOf(error) ?? '');

/** Returns whether a request that failed was cut off, and may be sent again without being carried out twice. */
function mayBeSentAgain(request: unknown, failure: unknown): boolean {
  const error = failure instanceof MusterError ? failure.cause : failure;
  if (!/^(ECONNRESET|EPIPE)$/.test(errnoOf(error) ?? '')) return false;
  // A role does nothing before it has the whole line.
  const wasSent = !/^(connect|write)$/.test((error as { syscall?: string }).syscall ?? '');
  return !wasSent || (request as { command?: unknown } | null)?.command === 'status';
}

const cutOff = () => Object.assign(new Error('it ended before it answered'), { code: 'ECONNRESET' });

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
export async function withShortPath<T>(
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

/** Listens on a path that only this user may use. */
export function listen(server: Server, path: string): Promise<void> {
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
    socket.on('end', () => (text === '' ? reject(cutOff()) : resolve(text)));
  });
}

/** Reads one request from a connection, and sends the answer of `handler`. */
export function answer(socket: Socket, handler: RoleHandler): void {
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
