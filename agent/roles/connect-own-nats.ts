// Connects the parts by which a requester settles what a NATS of one's own is worth, and says where nodes find that NATS.
import { randomBytes } from 'node:crypto';
import type { OwnNatsAccess } from '../broker/broker-access.ts';
import { advertisedAddresses, machineNames } from '../broker/tls/names.ts';
import type { Settings } from '../config/settings.ts';
import { CalloutBox } from '../requester/enrolment/callout-box.ts';
import type { BrokerAddresses } from '../requester/enrolment/join-code-desk.ts';
import { NatsTrial } from '../requester/enrolment/nats-trial.ts';
import type { OwnNatsOptions } from '../requester/enrolment/own-nats.ts';
import type { Log } from '../system/log.ts';
import { isLoopback } from '../system/loopback.ts';
import { systemRandom } from '../system/random.ts';
import { readBounded } from '../system/read-file.ts';
import { caPinsIn } from '../transport/ca-pin.ts';
import { keyPairOf } from '../transport/key-pair.ts';
import { knock } from '../transport/knock.ts';
import type { Connection } from '../transport/port.ts';
import { parseServers } from '../transport/server.ts';

/** Returns what decrypts the questions of servers that have the public key of the box. */
export const calloutBox = ({ box }: OwnNatsAccess): CalloutBox => new CalloutBox(box, randomBytes);

/** Returns what the requester needs to settle what the NATS in `nats.servers` is worth. */
export function ownNatsOptions(
  access: OwnNatsAccess,
  { nats, requester, broker: { approved } }: Settings,
  connection: Connection,
): OwnNatsOptions {
  const box = calloutBox(access);
  const trial = new NatsTrial({
    connection,
    servers: nats.servers,
    tls: nats.tls,
    box,
    bystander: access.bystander,
    newKey: () => keyPairOf(randomBytes(32), 'node'),
    knock,
    random: systemRandom,
  });
  return {
    trial,
    box,
    issuer: access.issuer,
    requireIdentity: requester.requireIdentity,
    opensSubjects: approved.publish.length + approved.subscribe.length > 0,
  };
}

/**
 * Returns where new nodes and listeners find the NATS: the addresses in `broker.advertise`, or else those in `nats.servers`;
 * and the pins of the CAs in `nats.tls.caFile`, if a server can be known by them.
 */
export async function ownNatsAddresses({ nats, broker }: Settings, log: Log): Promise<BrokerAddresses> {
  const known = parseServers(nats.servers);
  const usesTls =
    known.some(({ tls }) => tls) || nats.tls.caFile !== undefined || nats.tls.handshakeFirst === true;
  const scheme = usesTls ? 'tls' : 'nats';
  const advertised = advertisedAddresses(
    broker.advertise,
    { host: known[0]?.host ?? '', port: known[0]?.port ?? 4222 },
    machineNames(),
  ).map(address => `${scheme}://${address}`);
  const servers = broker.advertise.length > 0 ? advertised : known.map(({ label }) => label);
  const ca = await readCa(nats);
  const pins = await findPins(nats, ca);
  if (pins.length === 0 && nats.tls.caFile !== undefined) log.warn({ caFile: nats.tls.caFile }, noPinText);
  const isLocal = ({ host }: { host: string }) => isLoopback(host);
  return { servers, pins, ca, localOnly: parseServers(servers).every(isLocal) };
}

const noPinText =
  'join codes do not contain the pin of the CA, so each new node needs nats.tls.caFile: let all servers of the NATS begin with TLS (handshake_first), and show the CA after their certificate';

/** Time that a server has to begin TLS, in milliseconds. */
const tlsTimeoutMs = 5_000;

const readCa = async ({ tls: { caFile } }: Settings['nats']): Promise<string | undefined> =>
  caFile === undefined ? undefined : (await readBounded(caFile))?.toString('latin1');

// A node that knows only the pin begins with TLS, and takes the CA that the server shows.
async function findPins({ servers }: Settings['nats'], text = ''): Promise<string[]> {
  const pins = caPinsIn(text);
  if (pins.length === 0) return [];
  const greeted = await Promise.all(servers.map(server => greets(server, pins)));
  return greeted.some(each => each) ? pins : [];
}

/** Returns whether a server greets a client that knows only these pins. The client shows nothing of itself. */
async function greets(url: string, pins: readonly string[]): Promise<boolean> {
  const ending = new AbortController();
  const { greeting } = await knock({
    url,
    name: 'muster-trial',
    credentials: {},
    tls: { pins },
    timeoutMs: tlsTimeoutMs,
    signal: ending.signal,
    onGreeting: () => ending.abort(),
  });
  return greeting !== undefined;
}
