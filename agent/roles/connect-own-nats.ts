// Connects the parts by which a requester settles what a NATS of one's own is worth, and says where nodes find that NATS.
import { randomBytes } from 'node:crypto';
import type { OwnNatsAccess } from '../broker/broker-access.ts';
import { advertisedAddresses, machineNames } from '../broker/tls/names.ts';
import type { Settings } from '../config/settings.ts';
import type { AccountKeys } from '../protocol/account-keys.ts';
import { joinCodeLimits } from '../protocol/join-code.ts';
import { CalloutBox } from '../requester/enrolment/callout-box.ts';
import type { BrokerAddresses } from '../requester/enrolment/join-code-desk.ts';
import { NatsTrial } from '../requester/enrolment/nats-trial.ts';
import type { OwnNatsOptions } from '../requester/enrolment/own-nats.ts';
import { systemClock } from '../system/clock.ts';
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
  accounts?: AccountKeys,
): OwnNatsOptions {
  const box = calloutBox(access);
  const trial = new NatsTrial({
    connection,
    servers: nats.servers,
    tls: nats.tls,
    box,
    bystander: access.bystander,
    operatorMode: accounts && {
      accounts,
      requesterKey: access.requester.publicKey,
      clock: systemClock,
    },
    newKey: () => keyPairOf(randomBytes(32), 'node'),
    knock,
    random: systemRandom,
    issuer: access.issuer,
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
export async function ownNatsAddresses(settings: Settings, log: Log): Promise<BrokerAddresses> {
  const { nats } = settings;
  const servers = serversForNodes(settings);
  const ca = await readCa(nats);
  const pins = await pinsForNodes(nats, ca, log);
  const isLocal = ({ host }: { host: string }) => isLoopback(host);
  return { servers, pins, ca, localOnly: parseServers(servers).every(isLocal) };
}

function serversForNodes({ nats, broker }: Settings): readonly string[] {
  const known = parseServers(nats.servers);
  const { caFile, certFile, handshakeFirst } = nats.tls;
  // Nodes insist on TLS where the requester does, so that nobody in between talks them out of it.
  const insists = caFile !== undefined || certFile !== undefined || handshakeFirst;
  if (broker.advertise.length === 0)
    return known.map(({ label }) => (insists ? label.replace(/^nats:/, 'tls:') : label));
  const scheme = insists || known.some(({ tls }) => tls) ? 'tls' : 'nats';
  const first = { host: known[0]?.host ?? '', port: known[0]?.port ?? 4222 };
  return advertisedAddresses(broker.advertise, first, machineNames()).map(
    address => `${scheme}://${address}`,
  );
}

async function pinsForNodes(
  { servers, tls: { caFile } }: Settings['nats'],
  ca: string | undefined,
  log: Log,
): Promise<readonly string[]> {
  const pins = caPinsIn(ca ?? '');
  if (pins.length === 0) return [];
  const isTooMany = pins.length > joinCodeLimits.pins;
  // A node that knows only the pin begins with TLS, and takes the CA that the server shows.
  const greeted = isTooMany ? [] : await Promise.all(servers.map(server => greets(server, pins)));
  if (greeted.some(each => each)) return pins;
  log.warn({ caFile }, `${noPinText}: ${isTooMany ? tooMany(pins.length) : unseenText}`);
  return [];
}

const noPinText = 'join codes do not contain the pin of the CA, so each new node needs nats.tls.caFile';

const unseenText =
  'let all servers of the NATS begin with TLS (handshake_first), and show the CA after their certificate';

const tooMany = (count: number): string =>
  `nats.tls.caFile has ${count} CAs, and a join code names ${joinCodeLimits.pins} at most; leave those in it that sign the certificates of the NATS`;

/** Time that a server has to begin TLS, in milliseconds. */
const tlsTimeoutMs = 5_000;

const readCa = async ({ tls: { caFile } }: Settings['nats']): Promise<string | undefined> =>
  caFile === undefined ? undefined : (await readBounded(caFile))?.toString('latin1');

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
