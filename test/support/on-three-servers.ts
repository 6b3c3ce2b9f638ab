// Runs a requester and an agent on a cluster of three real nats-servers.
import { Cluster } from './cluster.ts';
import { NatsCluster } from './nats-cluster.ts';

export interface OnThreeServers {
  readonly nats: NatsCluster;
  readonly cluster: Cluster;
  release(): Promise<void>;
}

/** Starts the servers, the requester, and the agent of node-1. The caller releases them. */
export async function startOnThreeServers(): Promise<OnThreeServers> {
  const nats = await NatsCluster.start();
  const cluster = await Cluster.create({ servers: nats.urls.join(',') });
  const release = async () => {
    await cluster.release();
    await nats.release();
  };
  try {
    await cluster.requester();
    await cluster.agent('node-1');
  } catch (error) {
    await release();
    throw error;
  }
  return { nats, cluster, release };
}
