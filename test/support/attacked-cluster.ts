// Starts a cluster that a test attacks: its requester knows the keys of some nodes, and a witness sees what is sent in their
// account.
import {
  defaultHeartbeatTopic,
  heartbeatSubject,
  inboxPrefix,
  managementSubject,
} from '../../agent/protocol/subjects.ts';
import type { KeyPair } from '../../agent/transport/key-pair.ts';
import { Cluster, patient } from './cluster.ts';
import { connectAsRequester, pinKeys } from './pinned-keys.ts';
import type { Program } from './program.ts';
import type { Values } from './settings-text.ts';

export interface AttackedCluster {
  cluster: Cluster;
  requester: Program;
  /** The keys of the nodes. */
  keys: ReadonlyMap<string, KeyPair>;
  /** What was sent in the account of the nodes with keys, the oldest first. */
  seen: readonly { subject: string; reply: string }[];
  /** Returns what the roll says of a node, without what only shows that somebody tried. */
  rowOf(id: string): Promise<unknown>;
  /** Ends the cluster and the witness. */
  release(): Promise<void>;
}

/**
 * Starts a cluster whose requester knows a key for each of `nodes`. When it cannot, nothing is left. The nodes send few signs of
 * life, so their silence is not judged.
 */
export async function startAttackedCluster(
  nodes: readonly string[],
  settings: Values = {},
): Promise<AttackedCluster> {
  await using cleanup = new AsyncDisposableStack();
  const cluster = await Cluster.create({ settings: { ...patient, ...settings } });
  cleanup.defer(() => cluster.release());
  const first = await cluster.requester();
  const keys = await pinKeys(cluster, nodes);
  await first.stop();
  const requester = await cluster.requester();
  const seen: { subject: string; reply: string }[] = [];
  const witness = await connectAsRequester(cluster);
  cleanup.defer(() => witness.close(0));
  witness.subscribe('>', ({ subject, reply }) => void seen.push({ subject, reply }));
  await witness.flush(5_000);
  const rowOf = async (id: string) => {
    const node = await cluster.node(id);
    return { ...node, Muster: { ...node?.Muster, LastHeardAt: undefined, Conflict: undefined } };
  };
  const started = cleanup.move();
  return { cluster, requester, keys, seen, rowOf, release: () => started.disposeAsync() };
}

/** Returns subjects on which the requester must never answer, whoever asks. `key` is that of the node `victim`. */
export const strangeReplies = (victim: string, key: KeyPair): string[] => [
  `${inboxPrefix(key.publicKey)}.1`,
  managementSubject(victim, 'Leave/v1'),
  managementSubject(victim, 'RegisterNode/v1'),
  heartbeatSubject(defaultHeartbeatTopic, victim),
  `unverified.${managementSubject(victim, 'Leave/v1')}`,
  `node.alive.${victim}`,
  `node.events.${victim}.deleted`,
  `$KV.node_v1.${victim}`,
  `$KV.muster_v1.pin.${victim}`,
  '$JS.ACK.NODE_EVENTS.1.1.1.1.1.1',
  '$JS.API.STREAM.PURGE.NODE_EVENTS',
  '$SYS.REQ.SERVER.PING.CONNZ',
  '$SYS.REQ.USER.AUTH',
  'requester.echo.1',
];
