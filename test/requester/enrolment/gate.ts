// Asks a requester over a broker in memory who is let in, as the requester's own broker does.
import { clusterBucket } from '../../../agent/requester/cluster/cluster-bucket.ts';
import type { RequesterOptions } from '../../../agent/requester/requester.ts';
import type { KeyPair } from '../../../agent/transport/key-pair.ts';
import { claimsOf, issuerKey, type QuestionOptions, writeQuestion } from '../../support/callout-questions.ts';
import type { FakeConnection } from '../../support/fake-connection.ts';
import { RequesterFixture } from '../requester-fixture.ts';

interface Answer {
  publish: string[];
  subscribe: string[];
  lasts: number | undefined;
}

/** A requester with its own broker, and pins that were in the store before. */
export async function begin(pinned: Record<string, KeyPair> = {}, options: Partial<RequesterOptions> = {}) {
  const fixture = new RequesterFixture();
  const { broker } = fixture;
  const requester = fixture.newRequester(fixture.connection, { issuer: issuerKey, ...options });
  fixture.requester = requester;
  const witness: FakeConnection = broker.connect();
  const bucket = await writePins(witness, pinned);
  const answers = new Map<string, Answer>();
  /** The names under which the broker lists the clients that were let in. */
  const names: string[] = [];
  const kicked: number[] = [];
  witness.subscribe('$SYS._INBOX.>', ({ subject, data }) => {
    const { nats } = claimsOf(Buffer.from(data).toString()) as { nats: { jwt: string } };
    const user = claimsOf(nats.jwt) as {
      name: string;
      exp?: number;
      nats: { pub: { allow: string[] }; sub: { allow: string[] } };
    };
    names.push(user.name);
    answers.set(subject, {
      publish: user.nats.pub.allow,
      subscribe: user.nats.sub.allow,
      lasts: user.exp && user.exp - 1_700_000_000,
    });
  });
  witness.subscribe('$SYS.REQ.SERVER.*.KICK', message => {
    kicked.push((JSON.parse(Buffer.from(message.data).toString()) as { cid: number }).cid);
    message.respond('{}');
  });
  let asked = 0;
  /** Asks, and returns the subject on which the answer comes. */
  const ask = (options: QuestionOptions): string => {
    const reply = `$SYS._INBOX.q${++asked}`;
    broker.inject('$SYS.REQ.USER.AUTH', writeQuestion({ connection: asked, ...options }), reply);
    return reply;
  };
  /** Asks, and returns what the client got: `node`, `refused`, or undefined for no answer. */
  const outcome = async (options: QuestionOptions, waitMs = 0): Promise<string | undefined> => {
    const reply = ask(options);
    await fixture.clock.advance(waitMs);
    await fixture.clock.settle();
    const answer = answers.get(reply);
    if (!answer) return undefined;
    return answer.lasts === undefined ? 'node' : 'refused';
  };
  const start = () => fixture.finish(requester.start());
  return { fixture, broker, bucket, requester, answers, names, kicked, ask, outcome, start, witness };
}

/** Writes which key each node has, and returns the bucket. */
export async function writePins(connection: FakeConnection, pinned: Record<string, KeyPair>) {
  const bucket = await (await connection.storage()).bucket(clusterBucket);
  for (const [id, { publicKey: key }] of Object.entries(pinned)) {
    await bucket.put(`key.${key}`, Buffer.from(JSON.stringify({ id })), 0);
    await bucket.put(`pin.${id}`, Buffer.from(JSON.stringify({ key, at: '2026-01-01T00:00:00Z' })), 0);
  }
  return bucket;
}

/** The name of a node's connection. */
export const nodeName = (id: string, instance = 'one') => `${id} instance=${instance}`;
