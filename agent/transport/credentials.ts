// Reads the credentials for a broker. Files are read at each attempt, so a rotated file needs no restart.

import { hash } from 'node:crypto';
import type { Authenticator } from 'nats';
import { tokenAuthenticator, usernamePasswordAuthenticator } from 'nats';
import { reasonOf } from '../system/errors.ts';
import { readBounded } from '../system/read-file.ts';
import { rememberSecret } from '../system/secrets.ts';
import { parseCreds } from './creds-file.ts';
import { ConnectFailure, keyCredentials } from './failure.ts';
import { type KeyPair, signWith } from './key-pair.ts';

/**
 * The places of the credentials. The names are those of the settings. The first one that is set, in this order, is used.
 */
export interface Credentials {
  token?: string | undefined;
  tokenFile?: string | undefined;
  credsFile?: string | undefined;
  user?: string | undefined;
  password?: string | undefined;
  passwordFile?: string | undefined;
  /** The key that opens the connection when none of the others is set. */
  key?: KeyPair | undefined;
  /** The token that a NATS with an operator wants beside that key. */
  keyToken?: string | undefined;
  /** The token of a join code, which a node that is new to its cluster shows beside its key. */
  joinToken?: string | undefined;
}

export interface LoadedCredentials {
  authenticator: Authenticator;
  /** The names of the settings with these credentials, for messages; undefined while nothing was shown. */
  source: string | undefined;
}

/** Returns whether other credentials than a key are set. Then the key is not shown. */
export const hasCredentials = ({ token, tokenFile, credsFile, user }: Credentials): boolean =>
  [token, tokenFile, credsFile, user].some(Boolean);

/**
 * Reads the credentials. Returns undefined when none are set. @throws ConnectFailure `credentials` for a file that is
 * missing, empty, too large or of another kind.
 */
export async function readCredentials(credentials: Credentials): Promise<LoadedCredentials | undefined> {
  const { token, tokenFile, credsFile, user, password, passwordFile } = credentials;
  if (token) return { authenticator: tokenAuthenticator(token), source: 'nats.token' };
  if (tokenFile) {
    const text = await readSecret('nats.tokenFile', tokenFile);
    return { authenticator: tokenAuthenticator(text), source: `nats.tokenFile (${tokenFile})` };
  }
  if (credsFile) {
    const text = await readSecret('nats.credsFile', credsFile);
    return { authenticator: loadCreds(text, credsFile), source: `nats.credsFile (${credsFile})` };
  }
  if (!user && credentials.key) return loadKey(credentials.key, credentials);
  if (!user) return undefined;
  const secret = passwordFile ? await readSecret('nats.passwordFile', passwordFile) : password;
  const source = passwordFile
    ? `nats.user and nats.passwordFile (${passwordFile})`
    : 'nats.user and nats.password';
  return { authenticator: usernamePasswordAuthenticator(user, secret), source };
}

// A broker that asks for no signature knows no keys. It is told nothing, and least of all a join code.
function loadKey(key: KeyPair, { joinToken, keyToken }: Credentials): LoadedCredentials {
  const loaded: LoadedCredentials = {
    authenticator: ((nonce?: string) => {
      if (!nonce) return {};
      loaded.source = keyCredentials;
      return {
        ...signed(key, nonce),
        ...(joinToken ? { auth_token: joinToken } : {}),
        ...(keyToken ? { jwt: keyToken } : {}),
      };
    }) as Authenticator,
    source: undefined,
  };
  return loaded;
}

/**
 * Returns a hash of what the files of the credentials contain, to notice a change. Throws ConnectFailure `credentials` when
 * one cannot be read.
 */
export async function hashCredentialFiles(credentials: Credentials): Promise<string> {
  const { tokenFile, credsFile, passwordFile } = credentials;
  const files = {
    'nats.tokenFile': tokenFile,
    'nats.credsFile': credsFile,
    'nats.passwordFile': passwordFile,
  };
  const texts = Object.entries(files).map(([setting, path]) => (path ? readSecret(setting, path) : ''));
  return hash('sha256', JSON.stringify(await Promise.all(texts)));
}

/** Size of the largest file of credentials, in bytes. A larger file was probably named by mistake. */
const maxSecretBytes = 16_384;

async function readSecret(setting: string, path: string): Promise<string> {
  const data = await readBounded(path, maxSecretBytes).catch((error: unknown) => {
    throw new ConnectFailure('credentials', `${setting}: ${reasonOf(error)}`, { cause: error });
  });
  if (!data) throw new ConnectFailure('credentials', `${setting}: there is no file ${path}`);
  const text = data.toString('utf8').trim();
  if (!text) throw new ConnectFailure('credentials', `${setting}: ${path} is empty`);
  rememberSecret(text);
  return text;
}

function loadCreds(text: string, path: string): Authenticator {
  try {
    const { jwt, key } = parseCreds(text);
    return ((nonce = '') => ({ jwt, ...(nonce && signed(key, nonce)) })) as Authenticator;
  } catch {
    // The cause is left out, because it could quote the file.
    throw new ConnectFailure('credentials', `nats.credsFile: ${path} is not a NATS credentials file`);
  }
}

/** Returns the proof that this client has the key: its public half, and a signature of what the broker sent. */
const signed = (key: KeyPair, nonce: string): { nkey: string; sig: string } => ({
  nkey: key.userKey,
  sig: signWith(key, Buffer.from(nonce)).toString('base64url'),
});
