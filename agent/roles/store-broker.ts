// Starts a broker on this machine alone, to read the store in a folder or to restore one. No node is let in to it.
import { randomBytes } from 'node:crypto';
import { startBroker } from '../broker/broker.ts';
import { findOnPath, systemEnvironment } from '../config/environment.ts';
import type { Settings } from '../config/settings.ts';
import { systemClock } from '../system/clock.ts';
import type { Log } from '../system/log.ts';
import { systemRandom } from '../system/random.ts';
import { keyPairOf } from '../transport/key-pair.ts';
import type { CopyingConnection } from '../transport/port.ts';
import { connectOnce } from './run-backup.ts';

export interface StoreBrokerOptions {
  /** The folder of the broker. The caller holds the folder of its requester. */
  folder: string;
  settings: Pick<Settings, 'broker'>;
  log: Log;
  signal: AbortSignal;
}

/**
 * Runs a broker in `folder` while `work` uses a connection to it. Its keys are new ones, because a start of the requester writes
 * its configuration again. @throws MusterError when it cannot start; what `work` throws
 */
export async function withStoreBroker<T>(
  { folder, settings, log, signal }: StoreBrokerOptions,
  work: (connection: CopyingConnection) => Promise<T>,
): Promise<T> {
  const [requester, issuer] = [keyPairOf(randomBytes(32), 'user'), keyPairOf(randomBytes(32), 'account')];
  const broker = await startBroker({
    access: { requester, issuer },
    folder,
    name: 'muster-restore',
    host: '127.0.0.1',
    port: 0,
    binary: settings.broker.binary,
    findOnPath: name => findOnPath(name, systemEnvironment),
    clock: systemClock,
    random: systemRandom,
    log,
    signal,
  });
  try {
    const connection = await connectOnce({
      servers: [broker.url],
      credentials: broker.credentials,
      tls: broker.tls,
    });
    try {
      return await work(connection);
    } finally {
      await connection.close(300);
    }
  } finally {
    await broker.stop();
  }
}
