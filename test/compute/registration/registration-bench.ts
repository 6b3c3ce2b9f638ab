// A registration on a fake clock, in front of a requester that a test scripts and a file that may fail.
import { Registration, type Standing } from '../../../agent/compute/registration/registration.ts';
import type { Found, Sentinel } from '../../../agent/compute/registration/sentinel.ts';
import { type Answer, type AnswerCode, reasons } from '../../../agent/protocol/answers.ts';
import type { Membership } from '../../../agent/protocol/node-state.ts';
import type { Random } from '../../../agent/system/random.ts';
import { BrokerError } from '../../../agent/transport/port.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { recordLog } from '../../support/log-lines.ts';
import { steadyRandom } from '../../support/steady-random.ts';

export const node = 'node-1';
export const key = 'NDLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRUM4A';

export const sentinel: Sentinel = {
  version: 1,
  node,
  key,
  cluster: 'c-1',
  requester: 'node-0',
  session: 's-kept',
  membership: 'PENDING',
  registeredAt: '2025-12-31T00:00:00.000Z',
};

/** What a requester answers; `silence` is an answer that never comes. */
export type Reply = Answer | Error | 'silence';

const muster = (Code: AnswerCode, Membership: Membership | '', Session?: string, ClusterID = 'c-1') => ({
  Version: '1',
  RequesterID: 'node-0',
  ClusterID,
  Membership,
  Session,
  Code,
});
const refusal = (Code: AnswerCode, reason: string, Session?: string): Answer => ({
  accepted: false,
  reason,
  muster: muster(Code, '', Session),
});

/** The answers of a requester of ours. */
export const answers = {
  accepted: (membership: Membership, session?: string, cluster?: string): Answer => ({
    accepted: true,
    reason: '',
    muster: muster('registered', membership, session, cluster),
  }),
  rejected: (session?: string) => refusal('rejected', reasons.rejected, session),
  deleted: () => refusal('deleted', reasons.deleted),
  unknown: () => refusal('handshake_required', reasons.handshakeRequired(node)),
  full: () => refusal('full', 'too many nodes are pending approval'),
};

/** The answers of a Bacalhau requester. */
export const bacalhau = {
  accepted: (): Answer => ({ accepted: true, reason: '' }),
  unknown: (): Answer => ({ accepted: false, reason: reasons.handshakeRequired(node) }),
};

export interface Asked {
  kind: 'register' | 'update';
  at: number;
  session: string;
}

export class Bench {
  readonly clock = new FakeClock();
  readonly asked: Asked[] = [];
  readonly standings: Standing[] = [];
  readonly lines;
  readonly registration: Registration;
  /** What the file holds. */
  file: Sentinel | undefined;
  found: Found | Error | undefined;
  writes = 0;
  /** Set, every write and removal fails with it. */
  fileFault: Error | undefined;
  /** Set, every write and removal waits for it. */
  fileGate: Promise<void> | undefined;
  reply: (kind: Asked['kind'], count: number) => Reply;
  rejoin = false;
  inFlight = 0;
  atOnce = 0;
  #connected = true;
  #waiting: (() => void)[] = [];
  #running: Promise<void> | undefined;

  constructor(
    reply: Bench['reply'],
    { file, random = steadyRandom(0.5) }: { file?: Sentinel; random?: Random } = {},
  ) {
    this.reply = reply;
    this.file = file;
    const { log, lines } = recordLog();
    this.lines = lines;
    this.registration = new Registration({
      clock: this.clock,
      random,
      log,
      node,
      key,
      connected: signal => this.#whenConnected(signal),
      ask: kind => this.#ask(kind),
      rejoinAfterDelete: () => this.rejoin,
      readSentinel: async () => {
        if (this.found instanceof Error) throw this.found;
        return this.found ?? (this.file ? { kind: 'valid', sentinel: this.file } : { kind: 'none' });
      },
      writeSentinel: async value => {
        await this.#touchFile();
        this.writes++;
        this.file = value;
      },
      voidSentinel: async () => {
        await this.#touchFile();
        this.file = undefined;
      },
      changed: standing => this.standings.push(standing),
    });
  }

  get standing(): Standing {
    return this.registration.standing;
  }

  get phase(): Standing['phase'] {
    return this.registration.standing.phase;
  }

  /** The phases that it went through, each once in a row. */
  get phases(): string[] {
    return this.standings.map(each => each.phase).filter((phase, index, all) => phase !== all[index - 1]);
  }

  /** `register@0`, `update@250`: what was asked when, in whole milliseconds. */
  get log(): string[] {
    return this.asked.map(({ kind, at }) => `${kind}@${Math.round(at)}`);
  }

  /** The messages logged at `level`. */
  said(level: string): string[] {
    return this.lines.filter(line => line.level === level).map(line => line.message);
  }

  async start(): Promise<void> {
    this.#running = this.registration.run();
    await this.clock.settle();
  }

  /** Stops it; resolves when it has ended. */
  async stop(): Promise<void> {
    this.registration.stop();
    await this.#running;
  }

  async advance(ms: number): Promise<void> {
    await this.clock.advance(ms);
  }

  disconnect(): void {
    this.#connected = false;
  }

  connect(): void {
    this.#connected = true;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** A report under `session` was answered. */
  async hear(answer: Answer, session = this.standing.session): Promise<void> {
    this.registration.heard(answer, session);
    await this.clock.settle();
  }

  async #touchFile(): Promise<void> {
    await this.fileGate;
    if (this.fileFault) throw this.fileFault;
  }

  #whenConnected(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (signal.aborted) reject(new BrokerError('disconnected', 'not connected'));
        else if (this.#connected) resolve();
        else this.#waiting.push(look);
      };
      signal.addEventListener('abort', look, { once: true });
      look();
    });
  }

  async #ask(kind: Asked['kind']): Promise<Answer> {
    this.asked.push({ kind, at: this.clock.monotonic(), session: this.standing.session });
    this.atOnce = Math.max(this.atOnce, ++this.inFlight);
    try {
      const reply = this.reply(kind, this.asked.length);
      if (reply instanceof Error) throw reply;
      if (reply !== 'silence') return reply;
      await new Promise<void>(resolve => this.clock.after(5_000, resolve));
      throw new BrokerError('timeout', 'no answer within 5000 ms');
    } finally {
      this.inFlight--;
    }
  }
}

/** Answers in this order; the last one from then on. */
export function inTurn(...replies: Reply[]): Bench['reply'] {
  return (_, count) => replies[Math.min(count, replies.length) - 1] ?? new Error('nothing to answer');
}
