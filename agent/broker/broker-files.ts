// Reads and writes the files in the broker's folder: the token, the chosen port, the configuration and the process id.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { MusterError } from '../system/errors.ts';
import { closeToOthers, writeFileAtomic } from '../system/files.ts';
import { readOwnFile } from '../system/read-file.ts';
import { rememberSecret } from '../system/secrets.ts';

export interface BrokerFiles {
  token: string;
  port: string;
  config: string;
  pid: string;
  store: string;
}

export function brokerFiles(folder: string): BrokerFiles {
  return {
    token: join(folder, 'token'),
    port: join(folder, 'port'),
    config: join(folder, 'nats.conf'),
    pid: join(folder, 'nats-server.pid'),
    store: join(folder, 'store'),
  };
}

/**
 * Returns the token that clients need. When there is none, it makes one (32 random bytes, base64url, mode 0600). @throws
 * MusterError `bad_state` when the file contains something else or is a link; `not_writable` when others may read it and
 * it cannot be closed to them.
 */
export async function readOrMakeToken(path: string): Promise<string> {
  const kept = await readOwnFile(path, 1024);
  if (!kept) {
    const token = randomBytes(32).toString('base64url');
    rememberSecret(token);
    await writeFileAtomic(path, `${token}\n`);
    return token;
  }
  const token = kept.data.toString('utf8').trim();
  rememberSecret(token);
  // nats-server would read a token that begins with $2 as a hash, and would accept no client.
  if (!/^[\x21-\x7e]{16,512}$/.test(token) || token.startsWith('$2'))
    throw new MusterError('bad_state', `${path} does not contain a token`, {
      hint: 'write 16 to 512 printable characters without spaces into it, or remove it to have a new one made',
    });
  if (kept.info.mode & 0o077) await closeToOthers(path);
  return token;
}

/** Returns the port that an earlier start has chosen; undefined when no port was chosen. */
export async function readPort(path: string): Promise<number | undefined> {
  const port = Number((await readOwnFile(path, 64))?.data.toString('utf8'));
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
}

/** The keys that `writeConfig` writes, and the ends of its blocks. */
const knownLines =
  /^\s*(server_name|host|port|pid_file|logtime|max_connections|authorization|jetstream|store_dir|sync_interval|max_file_store)\b|^\s*[}#]|^$/;

/** Returns the lines of `text` that `writeConfig` writes. Anything else that somebody wrote there is left out. */
export function knownConfigLines(text: string): string {
  const leftOut = '# a line that muster did not write is left out';
  return text
    .split('\n')
    .map(line => (knownLines.test(line) ? line : leftOut))
    .join('\n');
}

export interface ServerConfig {
  name: string;
  host: string;
  port: number;
  token: string;
  files: BrokerFiles;
  /** The most that the store may hold, in bytes; undefined leaves it to nats-server. */
  maxStoreBytes: number | undefined;
}

/**
 * Writes nats-server's configuration. It contains the token, so only its owner may read it. Throws MusterError
 * `not_writable`.
 */
export async function writeConfig(config: ServerConfig): Promise<void> {
  const { files } = config;
  const text = configText(config);
  // An unchanged file is not written again, so that the broker can start on a full disk.
  const before = (await readOwnFile(files.config).catch(() => undefined))?.data.toString('utf8');
  if (before === text) return;
  try {
    await writeFileAtomic(files.config, text);
  } catch (error) {
    // On a full disk nothing can be written. The file of the last start is good enough if only the limit of the store differs.
    if (before === undefined || withoutLimit(before) !== withoutLimit(text)) throw error;
  }
}

const withoutLimit = (text: string): string => text.replace(/^ *max_file_store:.*\n/m, '');

function configText({ name, host, port, token, files, maxStoreBytes }: ServerConfig): string {
  const text = (value: string) => JSON.stringify(value);
  const lines = [
    '# Written by muster at each start: changes made here are lost.',
    `server_name: ${text(name)}`,
    `host: ${text(host)}`,
    `port: ${port}`,
    `pid_file: ${text(files.pid)}`,
    'logtime: false',
    // Each node needs one connection. The default of 65 536 is too small for a large cluster.
    'max_connections: 262144',
    `authorization { token: ${text(token)} }`,
    'jetstream {',
    `  store_dir: ${text(files.store)}`,
    // The operator gets the answer only after the decision is on the disk.
    '  sync_interval: always',
    ...(maxStoreBytes === undefined ? [] : [`  max_file_store: ${maxStoreBytes}`]),
    '}',
  ];
  return `${lines.join('\n')}\n`;
}
