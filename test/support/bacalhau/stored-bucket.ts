// Plays the store of Bacalhau on a real broker: writes the bucket as a release of it does, and reads it as strictly as that.
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Connection } from '../../../agent/transport/port.ts';
import { readGo } from './go-json.ts';
import { nodeState } from './go-types.ts';
import type { Release } from './releases.ts';

/** A record as Bacalhau has it: its names, and what a test looks at. */
export interface StoredNode {
  Info: {
    NodeID: string;
    NodeType: string;
    Labels: Record<string, string> | null;
    ComputeNodeInfo?: { MaxCapacity: Record<string, number> };
    BacalhauVersion: { GitVersion: string };
  };
  Membership: string;
  Connection?: string;
  ConnectionState?: {
    Status: string;
    LastHeartbeat: string;
    ConnectedSince?: string;
    DisconnectedSince?: string;
    LastError?: string;
  };
}

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../fixtures/bacalhau/${name}.json`, import.meta.url), 'utf8'));

/** Returns the records of a recorded store. */
export const recordsOf = (release: Release): StoredNode[] => read(`store-${release}`).records;

const stream = 'KV_node_v1';

/** Returns how a release makes its bucket. Up to 1.4 the oldest record would give way when the bucket is full. */
const configOf = (release: Release) => ({
  name: stream,
  subjects: ['$KV.node_v1.>'],
  retention: 'limits',
  max_consumers: -1,
  max_msgs: -1,
  max_bytes: -1,
  max_age: 0,
  max_msgs_per_subject: 1,
  max_msg_size: -1,
  discard: read(`store-${release}`).discard,
  storage: 'file',
  num_replicas: 1,
  duplicate_window: 120_000_000_000,
  deny_delete: true,
  deny_purge: false,
  allow_rollup_hdrs: true,
  allow_direct: true,
});

/** Makes the bucket, or opens it if it is exactly as the release makes it. @throws Error with the broker's refusal */
const openAs = (peer: Connection, release: Release) =>
  call(peer, `STREAM.CREATE.${stream}`, configOf(release));

/** Removes everything that is stored on the broker, and writes the bucket of a release with its recorded records. */
export async function writeBucket(peer: Connection, release: Release): Promise<void> {
  const { streams } = (await call(peer, 'STREAM.NAMES', {})) as { streams: string[] | null };
  for (const name of streams ?? []) await call(peer, `STREAM.DELETE.${name}`, {});
  await openAs(peer, release);
  for (const record of recordsOf(release)) await putRecord(peer, record.Info.NodeID, JSON.stringify(record));
}

/** Writes one record as it is. */
export async function putRecord(peer: Connection, key: string, value: string): Promise<void> {
  refused(await peer.request(`$KV.node_v1.${key}`, value, 5_000));
}

/** Returns the configuration of the bucket, without what the server notes in it. */
export async function bucketConfig(peer: Connection): Promise<unknown> {
  const { config } = (await call(peer, `STREAM.INFO.${stream}`, {})) as { config: Record<string, unknown> };
  const { metadata: _notes, ...rest } = config;
  return rest;
}

/**
 * Returns the nodes that a release lists. It opens the bucket, asks for the keys, and reads each record; the first that it
 * cannot read breaks the whole list. @throws Error
 */
export async function listAs(peer: Connection, release: Release): Promise<Map<string, StoredNode>> {
  await openAs(peer, release);
  const { state } = (await call(peer, `STREAM.INFO.${stream}`, { subjects_filter: '$KV.node_v1.>' })) as {
    state: { subjects?: Record<string, number> };
  };
  const nodes = new Map<string, StoredNode>();
  for (const subject of Object.keys(state.subjects ?? {}).sort()) {
    const message = await peer.request(
      `$JS.API.DIRECT.GET.${stream}`,
      JSON.stringify({ last_by_subj: subject }),
      5_000,
    );
    if (message.header('KV-Operation') !== '') continue;
    const record = JSON.parse(Buffer.from(message.data).toString());
    readGo(nodeState(release), record);
    // Without a type the record can be read, but the list that has it cannot.
    if (!record.Info.NodeType) throw new Error(`the record under ${subject} has no node type`);
    nodes.set(subject.slice('$KV.node_v1.'.length), record);
  }
  return nodes;
}

/** Writes a recorded store into the folder in which a server that does not run has its store. */
export async function writeRecordedFolder(storeFolder: string): Promise<void> {
  const files: Record<string, string> = read('store-folder-1.9.3');
  for (const [name, data] of Object.entries(files)) {
    const path = join(storeFolder, 'jetstream', '$G', 'streams', name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, Buffer.from(data, 'base64'));
  }
}

async function call(peer: Connection, method: string, body: unknown): Promise<unknown> {
  return refused(await peer.request(`$JS.API.${method}`, JSON.stringify(body), 5_000));
}

function refused({ data }: { data: Uint8Array }): unknown {
  const answer = JSON.parse(Buffer.from(data).toString());
  if (answer.error) throw new Error(`${answer.error.err_code} ${answer.error.description}`);
  return answer;
}
