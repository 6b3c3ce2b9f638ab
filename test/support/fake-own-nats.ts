// A NATS of one's own in memory: servers at which somebody knocks, and which ask the requester about that as they are set up.
import { randomBytes } from 'node:crypto';
import { calloutSubject } from '../../agent/protocol/callout.ts';
import { curveKeyOf, sealBox, sharedKeyOf } from '../../agent/protocol/sealed-box.ts';
import { writeSignedToken } from '../../agent/protocol/signed-token.ts';
import { type KeyPair, keyPairOf } from '../../agent/transport/key-pair.ts';
import type { Knock, KnockOptions } from '../../agent/transport/knock.ts';
import { type QuestionOptions, questionClaims } from './callout-questions.ts';
import type { FakeClock } from './fake-clock.ts';
import { FakeBroker, type FakeConnection } from './fake-connection.ts';

/** How a server is set up. What `muster broker config` prints gives the values in `printed`. */
export interface ServerSetup {
  isUp: boolean;
  /** Whether it asks about a client that it does not know; otherwise it refuses it. */
  asks: boolean;
  /** Whether a question is lost on its way. */
  losesQuestions: boolean;
  /** The key for which it encrypts its questions; undefined when it does not encrypt. */
  xkey: string | undefined;
  hasNonce: boolean;
  /** What it does with the bystander: it knows him, does not, or asks about him too. */
  bystander: 'known' | 'unknown' | 'asked' | 'unanswered';
  /** Whether somebody else asks in its place. */
  isForged: boolean;
  /** What it does with an answer: it does what that says, or takes it for that of somebody else, or is slow. */
  answers: 'taken' | 'refused' | 'lost';
}

export const printed = (xkey: string): ServerSetup => ({
  isUp: true,
  asks: true,
  losesQuestions: false,
  xkey,
  hasNonce: true,
  bystander: 'known',
  isForged: false,
  answers: 'taken',
});

export class FakeOwnNats {
  readonly broker: FakeBroker;
  readonly servers = new Map<string, ServerSetup>();
  /** The numbers of the connections that the requester has ended. */
  readonly ended: number[] = [];
  /** Called with the name of each client that knocks. */
  onKnock: (name: string) => void = () => undefined;
  /** The addresses of servers that the server of the requester does not know yet. */
  readonly unknown = new Set<string>();
  /** The account of the requester, and what it may hear. */
  user: { account: string; permissions?: object } = { account: 'MUSTER' };
  /** Tells users who they are. */
  readonly system: FakeConnection;
  /** Lists and ends connections; the requester may use it by the imports from the system account. */
  readonly monitor: FakeConnection;
  readonly #clock: FakeClock;
  readonly #bystander: KeyPair;
  readonly #curveKey = curveKeyOf(new Uint8Array(32).fill(11));
  #connections = 0;

  constructor(clock: FakeClock, bystander: KeyPair) {
    this.#clock = clock;
    this.#bystander = bystander;
    this.broker = new FakeBroker(clock);
    const route = this.broker.route.bind(this.broker);
    this.broker.route = (subject, ...message) =>
      ![...this.unknown].some(url => subject.includes(idOf(url))) && route(subject, ...message);
    this.system = this.broker.connect();
    this.system.subscribe('$SYS.REQ.USER.INFO', message => {
      message.respond(JSON.stringify({ data: this.user }));
    });
    this.monitor = this.broker.connect();
    this.monitor.subscribe('$SYS.REQ.SERVER.PING.STATSZ', message => {
      const statsz = { active_servers: this.servers.size };
      for (const url of this.servers.keys())
        message.respond(JSON.stringify({ server: { id: idOf(url) }, statsz }));
    });
    this.monitor.subscribe('$SYS.REQ.SERVER.*.CONNZ', message => {
      message.respond(JSON.stringify({ data: { connections: [] } }));
    });
    this.monitor.subscribe('$SYS.REQ.SERVER.*.KICK', message => {
      this.ended.push((JSON.parse(Buffer.from(message.data).toString()) as { cid: number }).cid);
      message.respond('{}');
    });
  }

  /** Stands for `knock()` of agent/transport/knock.ts. */
  knock = async ({ url, name, credentials, timeoutMs, signal }: KnockOptions): Promise<Knock> => {
    this.onKnock(name);
    const setup = this.servers.get(url);
    if (!setup?.isUp) return { outcome: 'unreachable', greeting: undefined, reason: 'nothing listens' };
    const greeting = { server: idOf(url), connection: ++this.#connections, hasNonce: setup.hasNonce };
    const isBystander = credentials.key === this.#bystander;
    if (isBystander && setup.bystander === 'known') return { outcome: 'in', greeting, reason: undefined };
    const isAsked = setup.asks && (!isBystander || setup.bystander === 'asked');
    const refuses = isBystander ? setup.bystander === 'unknown' : !setup.asks;
    if (refuses) return { outcome: 'refused', greeting, reason: 'refused' };
    const answered = Promise.withResolvers<boolean>();
    const timer = this.#clock.after(timeoutMs, () => answered.resolve(false));
    signal.addEventListener('abort', () => answered.resolve(false));
    const reply = `$SYS._INBOX.q${greeting.connection}`;
    const answers = this.system.subscribe(reply, () => setup.answers !== 'lost' && answered.resolve(true));
    if (isAsked && !setup.losesQuestions)
      this.#ask(url, setup, reply, { connection: greeting.connection, name, key: credentials.key });
    const isAnswered = await answered.promise;
    timer.cancel();
    answers.unsubscribe();
    if (isAnswered)
      return { outcome: setup.answers === 'taken' ? 'in' : 'refused', greeting, reason: undefined };
    return { outcome: 'silent', greeting, reason: 'it did not answer' };
  };

  #ask(url: string, setup: ServerSetup, reply: string, client: QuestionOptions): void {
    const { xkey, hasNonce, isForged } = setup;
    const signer = keyOf(isForged ? 'a forger' : url);
    const claims = questionClaims({ ...client, nonce: hasNonce ? 'AAAAAAAAAAAAAAA' : '' });
    (claims.nats as { server_id: object }).server_id = {
      id: signer.publicKey,
      name: 's',
      ...(xkey ? { xkey: this.#curveKey.publicKey } : {}),
    };
    const text = Buffer.from(writeSignedToken(claims, signer));
    const sealed = xkey && sealBox(text, randomBytes(24), sharedKeyOf(this.#curveKey, xkey));
    this.broker.inject(calloutSubject, sealed || text, reply, {
      ...(sealed ? { 'Nats-Server-Xkey': this.#curveKey.publicKey } : {}),
    });
  }
}

/** Returns the key of the server at an address. */
function keyOf(url: string): KeyPair {
  const seed = new Uint8Array(32).fill(21);
  seed.set(Buffer.from(url).subarray(-31));
  return keyPairOf(seed, 'node');
}

const idOf = (url: string): string => keyOf(url).publicKey;
