// How the orchestrators of Bacalhau's releases treat nodes, as the specification has it.

export interface OrchestratorFacts {
  /** Whether a node has to register again after each loss, and whether the newer protocol is spoken. */
  needsHandshake: boolean;
  /** The subjects on which heartbeats are read. */
  heartbeats: readonly string[];
  /** What is said when a registration is accepted: of a new node, and of a known one. */
  newNode: string;
  knownNode: string;
  /** The answers to the information and to the resources of a node that is not known. */
  unknownInfo(id: string): object;
  unknownResources(id: string): object;
  /** Whether an execution has the version of its job. */
  hasJobVersion: boolean;
}

const ownHeartbeats = 'bacalhau.global.compute.*.out.heartbeat';
export const sharedHeartbeats = 'heartbeat';

/** The answer to a request that failed, and to one that was decided. */
export const failure = (error: string): object => ({ error, value: null });
export const verdict = (Accepted: boolean, Reason: string): object => ({ value: { Accepted, Reason } });

const early = {
  needsHandshake: false,
  newNode: '',
  knownNode: 'node already registered',
  hasJobVersion: false,
};

export const orchestrator14: OrchestratorFacts = {
  ...early,
  heartbeats: [sharedHeartbeats],
  unknownInfo: id =>
    failure(`failed to get nodestate during node registration: nodeInfo not found for nodeID: ${id}`),
  unknownResources: () => ({ value: {} }),
};

export const orchestrator15: OrchestratorFacts = {
  ...early,
  heartbeats: [ownHeartbeats, sharedHeartbeats],
  unknownInfo: () => verdict(false, 'node not yet registered'),
  unknownResources: id => failure(`unable to update resources for missing node: ${id}`),
};

const handshakeRequired = (id: string) => failure(`node ${id} not connected - handshake required`);

export const orchestrator16: OrchestratorFacts = {
  needsHandshake: true,
  heartbeats: [ownHeartbeats],
  newNode: 'node registered',
  knownNode: 'node reconnected',
  unknownInfo: handshakeRequired,
  unknownResources: handshakeRequired,
  hasJobVersion: false,
};
