// The part of a compute node of Bacalhau from 1.6 on that speaks its newer protocol: it connects and shakes hands for ever, and
// sends heartbeats as long as it is connected.
import { setTimeout as pause } from 'node:timers/promises';
import { headers, type Msg, type NatsConnection } from 'nats';
import { metadataOf, type PeerMessage, readEnvelope, writeEnvelope } from './envelope.ts';
import { resourcesOf } from './node-facts.ts';
import { peerTimes } from './peer-times.ts';
import type { Release } from './releases.ts';

/** The process of the node. */
interface Peer {
  readonly id: string;
  readonly options: { readonly release: Release };
  /** What became of each request, in order. */
  readonly story: string[];
  info(): Record<string, unknown>;
  connect(): Promise<NatsConnection>;
}

export class NewerNode {
  readonly #peer: Peer;
  readonly #startTime = new Date().toISOString();
  readonly #ended = new AbortController();
  readonly #running: Promise<void>;
  #connection: NatsConnection | undefined;
  #isConnected = false;
  #lastSequence = 0;
  #sentResults = 0;
  #sentInfo = '';

  constructor(peer: Peer) {
    this.#peer = peer;
    this.#running = this.#run();
  }

  /** Ends what it sends, then says that it stops, if it is connected. */
  async stop(): Promise<void> {
    const notice = { NodeID: this.#peer.id, LastOrchestratorSeqNum: this.#lastSequence };
    const { isConnected } = await this.#end();
    if (isConnected) await this.#ask('ShutdownNotice', notice);
    await this.#connection?.close();
  }

  async kill(): Promise<void> {
    await this.#end();
    await this.#connection?.close();
  }

  async #end(): Promise<{ isConnected: boolean }> {
    const isConnected = this.#isConnected;
    this.#ended.abort();
    await this.#running;
    return { isConnected };
  }

  async sendResult(): Promise<string> {
    if (!this.#connection) throw new Error('not connected');
    const number = String(++this.#sentResults);
    const metadata = {
      ...metadataOf('RunResult', this.#peer.id, this.#peer.options.release),
      'Bacalhau-MessageID': `seq-${number}`,
      'Bacalhau-SeqNum': number,
    };
    const payload = { ExecutionID: 'e-1', JobID: 'j-1', JobType: 'batch', Events: null };
    return (await this.#send('out.msgs', { metadata, payload })).string();
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#ended.signal.aborted) {
      try {
        await this.#connect();
        failures = 0;
        await this.#beatUntilLost();
      } catch {
        failures++;
      }
      this.#isConnected = false;
      await this.#wait(peerTimes.checkMs * Math.min(2 ** failures, 8));
    }
  }

  // Each attempt has a connection of its own.
  async #connect(): Promise<void> {
    await this.#connection?.close();
    this.#connection = await this.#peer.connect();
    const { id } = this.#peer;
    this.#connection.subscribe(`bacalhau.global.compute.${id}.in.msgs`, {
      callback: (_error, message) => void message.respond('{}'),
    });
    const NodeInfo = this.#peer.info();
    const { payload } = await this.#ask('Handshake', {
      NodeInfo,
      StartTime: this.#startTime,
      LastOrchestratorSeqNum: this.#lastSequence,
    });
    if (payload.accepted !== true) throw new Error(`handshake rejected: ${payload.reason}`);
    this.#lastSequence = Number(payload.LastOrchestratorSeqNum);
    this.#sentInfo = JSON.stringify(NodeInfo);
    this.#isConnected = true;
  }

  // The first heartbeat comes a whole interval after the handshake. Only one kind of error ends the loop.
  async #beatUntilLost(): Promise<void> {
    let silenceMs = 0;
    while (await this.#wait(peerTimes.heartbeatMs)) {
      const beat = { ...resourcesOf(this.#peer.id), LastOrchestratorSeqNum: this.#lastSequence };
      const answer = await this.#ask('Heartbeat', beat).catch(() => undefined);
      if (answer?.payload.Code === 'HandshakeRequired') return;
      const isGood = answer?.metadata['Bacalhau-Type'] === 'transport.HeartbeatResponse';
      silenceMs = isGood ? 0 : silenceMs + peerTimes.heartbeatMs;
      if (silenceMs > peerTimes.lostAfterMs) return;
      const NodeInfo = this.#peer.info();
      if (!isGood || JSON.stringify(NodeInfo) === this.#sentInfo) continue;
      this.#sentInfo = JSON.stringify(NodeInfo);
      await this.#ask('UpdateNodeInfo', { NodeInfo }).catch(() => undefined);
    }
  }

  async #ask(kind: string, payload: object): Promise<PeerMessage> {
    const { id, options, story } = this.#peer;
    const type = `transport.${kind}Request`;
    try {
      const sent = { metadata: metadataOf(type, id, options.release), payload };
      const answer = readEnvelope((await this.#send('out.ctrl', sent)).data);
      story.push(`${kind} ${JSON.stringify(answer.payload)}`);
      return answer;
    } catch (error) {
      story.push(`${kind} failed: ${(error as Error).message}`);
      throw error;
    }
  }

  // The metadata are headers too.
  #send(end: string, message: { metadata: Record<string, string>; payload: unknown }): Promise<Msg> {
    if (!this.#connection) throw new Error('not connected');
    const fields = headers();
    for (const [key, value] of Object.entries(message.metadata)) fields.set(key, value);
    const options = { timeout: peerTimes.answerMs, headers: fields };
    const subject = `bacalhau.global.compute.${this.#peer.id}.${end}`;
    return this.#connection.request(subject, writeEnvelope(message), options);
  }

  /** Waits, and returns false when the process ends meanwhile. */
  async #wait(ms: number): Promise<boolean> {
    await pause(ms, undefined, { signal: this.#ended.signal }).catch(() => undefined);
    return !this.#ended.signal.aborted;
  }
}
