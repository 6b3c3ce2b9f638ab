// Plays an orchestrator of Bacalhau on a real broker, by the rules of a release. It is the side of the specification.
import type { Connection, Message } from '../../../agent/transport/port.ts';
import { readEnvelope, writeEnvelope } from './envelope.ts';
import { failure, type OrchestratorFacts, sharedHeartbeats, verdict } from './orchestrator-facts.ts';
import { facts, type Release } from './releases.ts';

/** What a node says of itself, as far as an orchestrator looks at it. */
export interface PeerInfo {
  NodeID: string;
  NodeType: string;
  Labels: Record<string, string>;
  SupportedProtocols?: string[];
  ComputeNodeInfo: { MaxCapacity: Record<string, number>; ExecutionEngines: string[] | null };
}

interface Stored {
  info: PeerInfo;
  membership: 'PENDING' | 'APPROVED' | 'REJECTED';
}

/** What is known of a node as long as it is heard. */
interface Live {
  heardAt: number;
  available: Record<string, number> | undefined;
}

export interface OrchestratorPeerOptions {
  connection: Connection;
  release: Release;
  /** Time without a sign of life after which a node is DISCONNECTED, in milliseconds. */
  disconnectAfterMs?: number;
}

export class OrchestratorPeer {
  readonly id = 'n-head';
  readonly rules: OrchestratorFacts;
  readonly #options: OrchestratorPeerOptions;
  readonly #stored = new Map<string, Stored>();
  readonly #live = new Map<string, Live>();
  /** Nodes that shook hands by the newer protocol, and nodes whose registration is not tried again for them. */
  readonly #handshaken = new Set<string>();
  readonly #given = new Set<string>();
  /** What was asked, such as `RegisterNode`, and the signs of life that count by the rules. */
  readonly asked: string[] = [];
  signs = 0;
  /** The answers to bids, by the execution. */
  readonly bids = new Map<string, Record<string, unknown>>();
  /** Membership of a node that is new. */
  newcomers: 'PENDING' | 'APPROVED' = 'APPROVED';
  /** Ids that are accepted and not kept. */
  readonly forgets = new Set<string>();
  /** What each request gets instead of an answer; undefined while the store works. */
  broken: string | undefined;
  /** Why the last node is DISCONNECTED. */
  lastError = '';

  constructor(options: OrchestratorPeerOptions) {
    const { connection, release } = options;
    this.#options = options;
    this.rules = facts[release].orchestrator;
    const subjects: [string, (message: Message) => void][] = [
      ['node.management.>', message => this.#manage(message)],
      [`node.orchestrator.${this.id}.>`, ({ data }) => this.#onBid(JSON.parse(text(data)))],
      ...this.rules.heartbeats.map((subject): [string, (message: Message) => void] => [
        subject,
        ({ data }) =>
          this.#onHeartbeat(
            (subject === sharedHeartbeats ? JSON.parse(text(data)) : open(data).payload).NodeID,
          ),
      ]),
    ];
    if (this.rules.needsHandshake)
      subjects.push(['bacalhau.global.compute.*.out.ctrl', message => this.#control(message)]);
    for (const [subject, handler] of subjects) connection.subscribe(subject, handler);
  }

  /** Loses what a restart loses: all but the stored records. */
  restart(): void {
    this.#live.clear();
    this.#handshaken.clear();
    this.#given.clear();
  }

  info(id: string): PeerInfo | undefined {
    return this.#stored.get(id)?.info;
  }

  available(id: string): Record<string, number> | undefined {
    return this.#live.get(id)?.available;
  }

  /** Returns membership and connection as the list shows them, such as `APPROVED CONNECTED`; undefined for an unknown node. */
  stateOf(id: string): string | undefined {
    const stored = this.#stored.get(id);
    return stored && `${stored.membership} ${this.#isConnected(id) ? 'CONNECTED' : 'DISCONNECTED'}`;
  }

  approve(id: string): void {
    this.#decided(id).membership = 'APPROVED';
  }

  reject(id: string): void {
    this.#decided(id).membership = 'REJECTED';
    if (this.rules.needsHandshake) this.#drop(id, 'node rejected');
  }

  delete(id: string): void {
    this.#stored.delete(id);
    if (this.rules.needsHandshake) this.#drop(id, '');
  }

  /** Asks a node about a job. @throws BrokerError `no_responders` or `timeout` */
  async ask(id: string, method: string, body: object): Promise<Record<string, unknown>> {
    const request = { SourcePeerID: this.id, TargetPeerID: id, ...body };
    const subject = `node.compute.${id}.${method}/v1`;
    const { data } = await this.#options.connection.request(subject, JSON.stringify(request), 5_000);
    return JSON.parse(text(data));
  }

  /** Offers an execution to a node, as the scheduler does. The answer comes into `bids`. */
  offer(id: string, execution: string): Promise<Record<string, unknown>> {
    const Job = {
      ID: `j-${execution}`,
      Type: 'batch',
      Tasks: [{ Name: 'main', Engine: { Type: 'docker' } }],
    };
    const version = this.rules.hasJobVersion ? { JobVersion: 1 } : {};
    const Execution = { ID: execution, NodeID: id, JobID: Job.ID, ...version, Job };
    return this.ask(id, 'AskForBid', { Execution, WaitForApproval: true });
  }

  /** Publishes a message of the data plane of the newer protocol, and returns its acknowledgement. */
  async message(id: string, type: string, payload: object): Promise<string> {
    const { data } = await this.#options.connection.request(
      `bacalhau.global.compute.${id}.in.msgs`,
      sealed(type, payload),
      5_000,
    );
    return text(data);
  }

  #decided(id: string): Stored {
    const stored = this.#stored.get(id);
    if (!stored) throw new Error(`there is no node ${id}`);
    return stored;
  }

  #drop(id: string, why: string): void {
    this.#live.delete(id);
    this.#handshaken.delete(id);
    this.lastError = why;
  }

  // A node that was silent for too long is dropped when somebody looks, as its sweep would have done.
  #isConnected(id: string): boolean {
    const live = this.#live.get(id);
    if (live && performance.now() - live.heardAt <= (this.#options.disconnectAfterMs ?? 3_000)) return true;
    if (live && this.rules.needsHandshake) this.#drop(id, 'heartbeat timeout');
    return false;
  }

  #manage(message: Message): void {
    const [, , , ...rest] = message.subject.split('.');
    const method = rest.join('.').replace('/v1', '');
    this.asked.push(method);
    const request = JSON.parse(text(message.data));
    const id: string = request.Info?.NodeID ?? request.NodeID;
    message.respond(JSON.stringify(this.broken ? failure(this.broken) : this.#answer(method, id, request)));
  }

  #answer(
    method: string,
    id: string,
    request: { Info: PeerInfo; AvailableCapacity: Record<string, number> },
  ): object {
    switch (method) {
      case 'RegisterNode':
        return this.#register(request.Info);
      case 'UpdateNodeInfo':
        return this.#updateInfo(id, request.Info);
      case 'UpdateResources':
        return this.#updateResources(id, request.AvailableCapacity);
      default:
        throw new Error(`no orchestrator answers ${method}`);
    }
  }

  #register(info: PeerInfo): object {
    const { needsHandshake, newNode, knownNode } = this.rules;
    const stored = this.#stored.get(info.NodeID);
    if (needsHandshake && info.SupportedProtocols?.includes('ncl/v1'))
      return verdict(false, 'node supports NCLv1 protocol - legacy protocol disabled');
    if (stored?.membership === 'REJECTED') return verdict(false, 'node has been rejected');
    if (needsHandshake && info.NodeType !== 'Compute') return verdict(false, 'node is not a compute node');
    if (this.forgets.has(info.NodeID)) return verdict(true, newNode);
    // An early one does not look at the information of a node that it knows.
    if (!stored || needsHandshake)
      this.#stored.set(info.NodeID, { info, membership: stored?.membership ?? this.newcomers });
    if (needsHandshake) this.#hear(info.NodeID, undefined);
    return verdict(true, stored ? knownNode : newNode);
  }

  #updateInfo(id: string, info: PeerInfo): object {
    const stored = this.#stored.get(id);
    if (!stored) return this.rules.unknownInfo(id);
    if (stored.membership !== 'REJECTED') stored.info = info;
    // A late one takes this also from a node that it rejected.
    else if (!this.rules.needsHandshake) return verdict(false, 'node registration rejected');
    return verdict(true, '');
  }

  #updateResources(id: string, available: Record<string, number>): object {
    const { needsHandshake, unknownResources } = this.rules;
    if (needsHandshake ? !this.#isConnected(id) : !this.#stored.has(id)) return unknownResources(id);
    const live = this.#live.get(id);
    if (needsHandshake) this.#hear(id, available);
    else if (live) live.available = available;
    return { value: {} };
  }

  #onHeartbeat(id: string): void {
    const stored = this.#stored.get(id);
    if (!this.rules.needsHandshake || this.#isConnected(id)) this.#hear(id, undefined);
    // It tries once to register the node by itself, from what it has stored.
    else if (!this.#given.has(id) && stored && stored.membership !== 'REJECTED') this.#hear(id, undefined);
    else this.#given.add(id);
  }

  #hear(id: string, available: Record<string, number> | undefined): void {
    this.signs++;
    this.#live.set(id, { heardAt: performance.now(), available: available ?? this.#live.get(id)?.available });
  }

  #control(message: Message): void {
    const { type, payload } = open(message.data);
    this.asked.push(type.replace('transport.', ''));
    if (type === 'transport.HandshakeRequest') {
      const { Accepted, Reason } = (
        this.#handshake(payload.NodeInfo) as { value: { Accepted: boolean; Reason: string } }
      ).value;
      if (Accepted) this.#handshaken.add(payload.NodeInfo.NodeID);
      const answer = { accepted: Accepted, reason: Reason, LastComputeSeqNum: 0, LastOrchestratorSeqNum: 0 };
      message.respond(sealed('transport.HandshakeResponse', answer));
    } else if (type === 'transport.ShutdownNoticeRequest' && this.#handshaken.has(payload.NodeID)) {
      this.#drop(payload.NodeID, 'graceful shutdown');
      message.respond(sealed('transport.ShutdownNoticeResponse', { LastComputeSeqNum: 0 }));
    } else {
      const Cause = `node ${payload.NodeID} not connected - handshake required`;
      message.respond(sealed('BacError', { Cause, Code: 'HandshakeRequired', HTTPStatusCode: 428 }));
    }
  }

  // By the newer protocol it takes also a node that lists it.
  #handshake(info: PeerInfo): object {
    return this.#register({ ...info, SupportedProtocols: [] });
  }

  #onBid(result: Record<string, unknown>): void {
    this.bids.set(String(result.ExecutionID), result);
  }
}

const text = (data: Uint8Array): string => Buffer.from(data).toString();

function open(data: Uint8Array): { type: string; payload: { NodeID: string; NodeInfo: PeerInfo } } {
  const { metadata, payload } = readEnvelope(data);
  return { type: metadata['Bacalhau-Type'] ?? metadata.Type ?? '', payload: payload as never };
}

const sealed = (type: string, payload: object): Buffer =>
  writeEnvelope({ metadata: { 'Bacalhau-PayloadEncoding': 'json', 'Bacalhau-Type': type }, payload });
