// Runs a registration on a fake clock. The test says what the requester answers, and whether the sentinel's file fails.

import { Registration } from '../../../agent/compute/registration/registration.ts';
import type { Sentinel, SentinelReading } from '../../../agent/compute/registration/sentinel.ts';
import { sentinelFile } from '../../../agent/compute/registration/sentinel-file.ts';
import {
  initialState,
  type RegistrationState,
  type RequestKind,
} from '../../../agent/compute/registration/state.ts';
import { type Answer, type AnswerCode, reasons } from '../../../agent/protocol/answers.ts';
import type { Membership } from '../../../agent/protocol/node-state.ts';
import type { Refusal } from '../../../agent/protocol/refusal.ts';
import type { MusterError } from '../../../agent/system/errors.ts';
import { limitedLog } from '../../../agent/system/limited-log.ts';
import type { Random } from '../../../agent/system/random.ts';
import { BrokerError, type ConnectionState } from '../../../agent/transport/port.ts';
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
  session: 's-saved',
  membership: 'PENDING',
  registeredAt: '2025-12-31T00:00:00.000Z',
};

/** The answer of a requester. `silence` is an answer that never comes. */
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

/** The answers of a muster requester. */
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

export class RegistrationBench {
  readonly clock = new FakeClock();
  readonly asked: Asked[] = [];
  /** The state after each change. */
  readonly states: RegistrationState[] = [];
  readonly lines;
  readonly registration: Registration;
  readonly state = initialState();
  /** The content of the sentinel's file. */
  file: Sentinel | undefined;
  /** The result of reading the file, instead of its content, if it is set. */
  reading: SentinelReading | Error | undefined;
  writes = 0;
  /** The error with which every write and removal fails, while it is set. */
  fileFault: Error | undefined;
  /** A promise that every write and removal waits for, while it is set. */
  fileGate: Promise<void> | undefined;
  reply: (kind: Asked['kind'], count: number) => Reply;
  /** Why the key is refused, or the error when nobody says. */
  refusal: Refusal | Error | undefined;
  /** The waits after which the connection was to be made again, in milliseconds. */
  readonly reconnects: number[] = [];
  /** The longest waits on the refused link, in milliseconds. */
  readonly standBys: number[] = [];
  readonly settings = { rejoinAfterDelete: false };
  /** Requests that are on their way now, and at most at one time. */
  inFlight = 0;
  mostInFlight = 0;
  #isConnected = true;
  readonly #waiting: (() => void)[] = [];

  /** The new ids that the node was told, and whether it takes them. */
  readonly newIds: string[] = [];
  takesIds = true;
  /** The error with which a new id cannot be kept, while it is set. */
  idFault: MusterError | undefined;

  constructor(
    reply: RegistrationBench['reply'],
    {
      file,
      random = steadyRandom(0.5),
      isStart = true,
    }: { file?: Sentinel; random?: Random; isStart?: boolean } = {},
  ) {
    const { clock, state } = this;
    this.reply = reply;
    this.file = file;
    const { log, lines } = recordLog();
    this.lines = lines;
    const bench = this;
    const common = { node, key, clock, random, log, limitedLog: limitedLog(log, clock), state };
    this.registration = new Registration({
      ...common,
      settings: this.settings,
      isStart,
      onReplaced: async () => false,
      onRenamed: async newId => {
        this.newIds.push(newId);
        if (this.idFault) throw this.idFault;
        return this.takesIds;
      },
      connection: {
        get state(): ConnectionState {
          return bench.#isConnected
            ? { kind: 'connected', server: '', version: '', isEncrypted: false }
            : { kind: 'connecting' };
        },
        connected: signal => this.#whenConnected(signal),
        reconnect: afterMs => void this.reconnects.push(afterMs ?? 0),
        standBy: maxMs => void this.standBys.push(maxMs),
      },
      client: {
        sendInfo: method => this.#ask(method === 'RegisterNode/v1' ? 'register' : 'update'),
        whyRefused: async () => {
          if (this.refusal instanceof Error) throw this.refusal;
          return this.refusal;
        },
      },
      sentinel: sentinelFile(
        { ...common, folder: '' },
        {
          load: async () => {
            if (this.reading instanceof Error) throw this.reading;
            return this.reading ?? (this.file ? { kind: 'valid', sentinel: this.file } : { kind: 'none' });
          },
          write: async (_, value) => {
            await this.#touchFile();
            this.writes++;
            this.file = value;
          },
          remove: async () => {
            await this.#touchFile();
            this.file = undefined;
          },
        },
      ),
    });
    this.registration.onChange = () => this.states.push({ ...state });
  }

  get phase(): RegistrationState['phase'] {
    return this.state.phase;
  }

  /** Returns the phases that the registration went through. */
  get phases(): string[] {
    return this.states.map(each => each.phase).filter((phase, index, all) => phase !== all[index - 1]);
  }

  /** Returns which requests were sent, and when, in whole milliseconds: `register@0`, `update@250`. */
  get requests(): string[] {
    return this.asked.map(({ kind, at }) => `${kind}@${Math.round(at)}`);
  }

  /** Returns the messages that were logged at `level`. */
  messages(level: string): string[] {
    return this.lines.filter(line => line.level === level).map(line => line.message);
  }

  async start(): Promise<void> {
    void this.registration.start();
    await this.clock.settle();
  }

  /** Stops the registration; resolves when it has ended. */
  stop(): Promise<void> {
    return this.registration.stop();
  }

  async advance(ms: number): Promise<void> {
    await this.clock.advance(ms);
  }

  disconnect(): void {
    this.#isConnected = false;
  }

  connect(): void {
    this.#isConnected = true;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Hands over the answer to a report that was sent under `session`. */
  async answerReport(
    answer: Answer,
    session = this.state.session,
    kind: RequestKind = 'information',
  ): Promise<void> {
    this.registration.applyAnswer(answer, session, kind);
    await this.clock.settle();
  }

  async #touchFile(): Promise<void> {
    await this.fileGate;
    if (this.fileFault) throw this.fileFault;
  }

  #whenConnected(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        if (signal?.aborted) reject(new BrokerError('disconnected', 'not connected'));
        else if (this.#isConnected) resolve();
        else this.#waiting.push(settle);
      };
      signal?.addEventListener('abort', settle, { once: true });
      settle();
    });
  }

  async #ask(kind: Asked['kind']): Promise<Answer> {
    this.asked.push({ kind, at: this.clock.monotonic(), session: this.state.session });
    this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight);
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

/** Returns replies in this order; the last one is repeated. */
export function inTurn(...replies: Reply[]): RegistrationBench['reply'] {
  return (_, count) => replies[Math.min(count, replies.length) - 1] ?? new Error('nothing to answer');
}
