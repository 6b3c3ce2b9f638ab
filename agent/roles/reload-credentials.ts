// Connects again when the files of the credentials for the broker changed, after SIGHUP.
import { reasonOf } from '../system/errors.ts';
import type { Log } from '../system/log.ts';
import { type Credentials, hashCredentialFiles } from '../transport/credentials.ts';
import type { Connection } from '../transport/port.ts';

/**
 * Returns a function that SIGHUP calls. It reads the files of `credentials`, and connects again when their content has
 * changed. When a file cannot be read, the connection stays, and the log says so.
 */
export function createCredentialReloader(
  credentials: Credentials,
  connection: Pick<Connection, 'reconnect'>,
  log: Log,
): () => Promise<void> {
  let before = hashCredentialFiles(credentials).catch(() => undefined);
  return async () => {
    try {
      const now = await hashCredentialFiles(credentials);
      const changed = now !== (await before);
      before = Promise.resolve(now);
      if (!changed) return;
      log.info({}, 'the credentials for the broker changed: connecting again with them');
      connection.reconnect();
    } catch (error) {
      log.warn({}, `the credentials for the broker cannot be read; the connection stays: ${reasonOf(error)}`);
    }
  };
}
