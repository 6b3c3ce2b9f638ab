// Reads and writes the files in the broker's folder: the chosen port, the configuration and the process id.
import { closeSync, constants, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryPath, writeFileAtomic } from '../system/files.ts';
import { readOwnFile } from '../system/read-file.ts';
import { accessLines, type BrokerAccess, type OwnNatsLines } from './access-lines.ts';
import type { ServerCertificate } from './tls/server-certificate.ts';
import { tlsLines } from './tls/tls-lines.ts';

export interface BrokerFiles {
  port: string;
  config: string;
  pid: string;
  store: string;
}

export function brokerFiles(folder: string): BrokerFiles {
  return {
    port: join(folder, 'port'),
    config: join(folder, 'nats.conf'),
    pid: join(folder, 'nats-server.pid'),
    store: join(folder, 'store'),
  };
}

/** Returns the port that an earlier start has chosen; undefined when no port was chosen. */
export async function readPort(path: string): Promise<number | undefined> {
  const port = Number((await readOwnFile(path, 64))?.data.toString('utf8'));
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
}

/**
 * Writes the process id of the server, which writes it too, but only when it runs. If muster is killed before that, the next
 * start finds the server by this. It blocks, so that nothing can come in between, and half a number is never there. Throws
 * the system's error.
 */
export function writeProcessId(path: string, pid: number): void {
  const { O_WRONLY, O_CREAT, O_EXCL } = constants;
  const temporary = temporaryPath(path);
  const file = openSync(temporary, O_WRONLY | O_CREAT | O_EXCL, 0o600);
  try {
    writeSync(file, `${pid}\n`);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}

/** The keys that `writeConfig` writes, and the ends of its blocks. */
const knownLines =
  /^\s*(server_name|host|port|pid_file|logtime|max_connections|max_subscriptions|system_account|accounts|SYS|MUSTER|UNVERIFIED|LISTEN|LISTEN_LIVE|MUSTER_BYSTANDER|users|imports|exports|limits|max_payload|authorization|timeout|tls|cert_file|key_file|handshake_first|auth_callout|issuer|auth_users|account|allowed_accounts|xkey|jetstream|store_dir|sync_interval|max_file_store)\b|^\s*(\{ (service|stream):|[\]}#])|^$/;

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
  access: BrokerAccess;
  /** What is added when several requesters use the broker; undefined for one. */
  several?: OwnNatsLines | undefined;
  files: BrokerFiles;
  /** The certificate of the server; undefined for a server without TLS. */
  certificate: ServerCertificate | undefined;
  /** The most that the store may hold, in bytes; undefined leaves it to nats-server. */
  maxStoreBytes: number | undefined;
}

/**
 * Writes nats-server's configuration. It contains no secret, but it is for its owner alone. Throws MusterError
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
    // On a full disk nothing can be written. The file of the last start is good enough if only the limit of the store
    // differs.
    if (before === undefined || withoutLimit(before) !== withoutLimit(text)) throw error;
  }
}

const withoutLimit = (text: string): string => text.replace(/^ *max_file_store:.*\n/m, '');

function configText({
  name,
  host,
  port,
  access,
  several,
  files,
  certificate,
  maxStoreBytes,
}: ServerConfig): string {
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
    // A node has a handful of subscriptions. Without a limit, one client could use up the memory of the broker.
    'max_subscriptions: 1024',
    ...accessLines(access, several),
    ...(certificate ? tlsLines(certificate) : []),
    'jetstream {',
    `  store_dir: ${text(files.store)}`,
    // The operator gets the answer only after the decision is on the disk.
    '  sync_interval: always',
    ...(maxStoreBytes === undefined ? [] : [`  max_file_store: ${maxStoreBytes}`]),
    '}',
  ];
  return `${lines.join('\n')}\n`;
}
