// What the broker keeps in its folder: the token, the port it chose, its configuration, its process id, its store.
import { randomBytes } from 'node:crypto';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { MusterError } from '../system/errors.ts';
import { readBounded, writeFileAtomic } from '../system/files.ts';
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
 * Reads the token that clients show, making it (32 random bytes, base64url, 0600) when there is none.
 * @throws MusterError `bad_state` when the file holds something else.
 */
export async function readOrMakeToken(path: string): Promise<string> {
  const data = await readBounded(path, 1024);
  if (!data) {
    const token = randomBytes(32).toString('base64url');
    rememberSecret(token);
    await writeFileAtomic(path, `${token}\n`);
    return token;
  }
  const token = data.toString('utf8').trim();
  rememberSecret(token);
  // nats-server takes what begins with $2 for a hash, and would let nobody in.
  if (!/^[\x21-\x7e]{16,512}$/.test(token) || token.startsWith('$2'))
    throw new MusterError('bad_state', `${path} does not hold a token`, {
      hint: 'put 16 to 512 printable characters without blanks in it, or remove it to have another made',
    });
  await chmod(path, 0o600);
  return token;
}

/** The port kept from an earlier start; undefined when there is none. */
export async function readPort(path: string): Promise<number | undefined> {
  const port = Number((await readBounded(path, 64))?.toString('utf8'));
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
}

export interface ServerConfig {
  name: string;
  host: string;
  port: number;
  token: string;
  files: BrokerFiles;
}

/** Writes nats-server's configuration. The token is in it, so only its owner may read it. */
export async function writeConfig({ name, host, port, token, files }: ServerConfig): Promise<void> {
  const text = (value: string) => JSON.stringify(value);
  const lines = [
    '# Written by muster at each start: changes made here are lost.',
    `server_name: ${text(name)}`,
    `host: ${text(host)}`,
    `port: ${port}`,
    `pid_file: ${text(files.pid)}`,
    'logtime: false',
    // Room for one connection per node of a large cluster; the server's own limit is 65 536.
    'max_connections: 262144',
    `authorization { token: ${text(token)} }`,
    'jetstream {',
    `  store_dir: ${text(files.store)}`,
    // A decision that was answered has reached the disk.
    '  sync_interval: always',
    '}',
  ];
  const config = `${lines.join('\n')}\n`;
  // On a full disk a broker that was set up before can still start.
  const before = await readBounded(files.config).catch(() => undefined);
  if (before?.toString('utf8') !== config) await writeFileAtomic(files.config, config);
}
