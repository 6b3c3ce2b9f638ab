// Finds a stream of muster on the broker, or makes it: on three servers where a cluster has so many. A cluster that does not
// find a stream which was there before is not believed, because a server that came back empty may be the one that answers.
import { sleep } from '../system/clock.ts';
import { isClustered } from './clustered.ts';
import type { StorageEnvironment } from './consume.ts';
import { ApiError, apiErrors, createStream, readStreamInfo, type StreamInfo } from './jetstream.ts';
import { BrokerError } from './port.ts';

/** Number of servers that store a stream in a cluster. Two would be worse than one: both would be needed for each write. */
const clusterReplicas = 3;

/**
 * How long a cluster that has just started may need to know three of its servers, and the time between two attempts, in
 * milliseconds.
 */
const placementTimesMs = { wait: 5_000, between: 500 };

export class StreamBirth {
  readonly #environment: StorageEnvironment;
  readonly #name: string;
  readonly #precedes: string | undefined;
  #isKnown: boolean;

  /**
   * `isKnown` says that the stream was there at an earlier start, and `precedes` names one that was made only when it was there.
   */
  constructor(
    environment: StorageEnvironment,
    name: string,
    { isKnown = false, precedes }: { isKnown?: boolean | undefined; precedes?: string | undefined },
  ) {
    this.#environment = environment;
    this.#name = name;
    this.#isKnown = isKnown;
    this.#precedes = precedes;
  }

  /**
   * Returns what the broker says of the stream. Calls `create` when there is none. @throws BrokerError; `store_missing` when
   * a cluster does not find a stream that was there before
   */
  async find(create: () => Promise<StreamInfo>): Promise<StreamInfo> {
    const { connection } = this.#environment;
    const found = await readStreamInfo(connection, this.#name);
    if (!found && isClustered(connection) && (this.#isKnown || (await this.#wasThere())))
      throw new BrokerError(
        'store_missing',
        `the cluster of NATS servers does not find the stream ${this.#name}, which was there before, so no empty one is made in its place`,
      );
    const info = found ?? (await create());
    this.#isKnown = true;
    return info;
  }

  async #wasThere(): Promise<boolean> {
    const { connection } = this.#environment;
    return this.#precedes !== undefined && (await readStreamInfo(connection, this.#precedes)) !== undefined;
  }
}

/**
 * Creates a stream: on three servers of a cluster, and on one where a cluster cannot place it on three, or the server is the
 * only one. @throws BrokerError; `no_space` when the disks have too little room for `max_bytes`
 */
export async function createOnServers(
  { connection, clock, log }: StorageEnvironment,
  name: string,
  config: Record<string, unknown>,
): Promise<StreamInfo> {
  const createOn = (replicas: number) =>
    createStream(connection, name, { ...config, num_replicas: replicas });
  if (!isClustered(connection)) return createOn(1);
  const until = clock.monotonic() + placementTimesMs.wait;
  for (;;) {
    try {
      return await createOn(clusterReplicas);
    } catch (error) {
      if (!isUnplaced(error)) throw error;
      if (clock.monotonic() >= until) break;
      await sleep(clock, placementTimesMs.between);
    }
  }
  const text = 'the NATS cluster has fewer than three servers that can store this stream, so one stores it';
  log.warn({ stream: name }, text);
  return createOn(1);
}

const isUnplaced = (error: unknown): boolean =>
  error instanceof ApiError &&
  error.fault === 'refused' &&
  (error.code === apiErrors.noPlace || error.code === apiErrors.replicasNotSupported);
