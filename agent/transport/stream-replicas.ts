// Reads which servers of a cluster store a stream, and how far each of them is.
import * as v from 'valibot';
import { isClustered } from './clustered.ts';
import { ApiError, apiErrors, parseAnswer, type StorageConnection } from './jetstream.ts';
import { readNamedServers } from './named-servers.ts';
import { BrokerError, type StreamReplicas } from './port.ts';

/** Time that the cluster has to answer, in milliseconds. It answers from memory. */
const answerTimeoutMs = 1_000;

const short = v.pipe(v.string(), v.maxLength(256));
const schema = v.object({
  config: v.object({ num_replicas: v.optional(v.number(), 1) }),
  cluster: v.optional(
    v.object({
      leader: v.optional(short, ''),
      replicas: v.nullish(
        v.pipe(
          v.array(
            v.object({
              name: short,
              current: v.optional(v.boolean(), false),
              offline: v.optional(v.boolean(), false),
              lag: v.optional(v.number(), 0),
              /** Time since the leader heard of it, in nanoseconds. */
              active: v.optional(v.number(), 0),
            }),
          ),
          v.maxLength(64),
        ),
        [],
      ),
    }),
    {},
  ),
});

/**
 * Returns how the servers of a cluster store a stream; undefined on a single server, and for a stream that is not found.
 * @throws BrokerError
 */
export async function readReplicas(
  connection: StorageConnection,
  stream: string,
): Promise<StreamReplicas | undefined> {
  if (!isClustered(connection)) return undefined;
  const method = `STREAM.INFO.${stream}`;
  const { data } = await connection.requestRaw(`$JS.API.${method}`, '{}', answerTimeoutMs);
  const answer = parseStream(data, method);
  if (!answer) return undefined;
  const found = v.safeParse(schema, answer);
  if (!found.success)
    throw new BrokerError(
      'refused',
      `the broker described the stream ${stream} in a way that muster does not understand`,
    );
  const { config, cluster } = found.output;
  const { connect_urls, server_name } = connection.link?.info ?? {};
  const members = cluster.replicas ?? [];
  return {
    stream,
    replicas: config.num_replicas,
    servers: readNamedServers(connect_urls).length,
    leader: cluster.leader || undefined,
    // Without a leader the list also has the server that we are connected to, which is not current, and not away either.
    others: (cluster.leader ? members : members.filter(({ name }) => name !== server_name)).map(
      ({ name, current, offline, lag, active }) => ({
        name,
        isCurrent: current && !offline,
        lag,
        silentMs: cluster.leader ? active / 1_000_000 : 0,
      }),
    ),
  };
}

function parseStream(data: Uint8Array, method: string): Record<string, unknown> | undefined {
  try {
    return parseAnswer(data, method);
  } catch (error) {
    if (error instanceof ApiError && error.code === apiErrors.streamNotFound) return undefined;
    throw error;
  }
}
