// Explains in a sentence why a connection could not be made, and names the setting to correct.
import type { X509Certificate } from 'node:crypto';
import { errnoOf, reasonOf } from '../system/errors.ts';
import { printable } from '../system/printable.ts';
import { caPinOf } from './ca-pin.ts';
import { namesOf, type PeerCertificates, whyNotValidAt } from './peer-certificate.ts';
import type { ConnectFault } from './port.ts';

export class ConnectFailure extends Error {
  override readonly name = 'ConnectFailure';
  readonly fault: ConnectFault;
  /** The broker's version, if the broker sent its greeting. */
  readonly version: string | undefined;

  constructor(
    fault: ConnectFault,
    reason: string,
    options: { cause?: unknown; version?: string | undefined } = {},
  ) {
    super(reason, options);
    this.fault = fault;
    this.version = options.version;
  }
}

/** What an operator can do about each fault. The doctor and the status of a role show it. */
export const connectRemedies: Readonly<Record<ConnectFault, string>> = {
  unreachable: 'start the broker, allow the connection in the firewall, or correct nats.servers',
  unauthorized:
    'at the broker of a requester, join its cluster with: muster agent join; at a NATS of your own, set nats.token, nats.tokenFile or nats.credsFile',
  tls: 'check the clocks, and the certificate of the broker; correct nats.tls.* where it is set. After the CA was replaced: muster agent trust PIN, with the pin from muster broker ca on the requester. After the requester lost its disk: muster agent join --move',
  credentials: 'put the credentials where the setting says',
  protocol: 'correct nats.servers: it must name the port of NATS, which is usually 4222',
};

/** The source of the credentials when a node shows its key. */
export const keyCredentials = 'the key of this node';

/** One attempt to connect: its data and its progress. */
export interface Attempt {
  /** The broker's URL, as messages name it. */
  label: string;
  host: string;
  port: number;
  stage: 'connecting' | 'greeting' | 'tls' | 'authenticating' | 'silent';
  /** Time for the whole attempt, in milliseconds. */
  timeoutMs: number;
  /** The names of the settings with the credentials; undefined when there are none. */
  credentials: string | undefined;
  caFile: string | undefined;
  certFile: string | undefined;
  handshakeFirst: boolean;
  /** The host name or address that the certificate must be for. */
  serverName: string;
  /** The pins of the CAs that are trusted; empty when others are. */
  pins: readonly string[];
  /** The wall time of the attempt. */
  now: Date;
  /** The broker's version, once the broker has sent its greeting. */
  version?: string;
  /** Whether the TLS handshake was made. */
  isEncrypted: boolean;
  /** The address of this machine at its end of the connection; undefined until there is one. */
  localAddress?: string | undefined;
  onGreeting?: ((greeting: ServerGreeting) => void) | undefined;
}

/** What a server says of itself before it knows who connects. */
export interface ServerGreeting {
  server: string;
  /** The number of the connection there. */
  connection: number;
  /** Whether it sent a random text that a key must sign. */
  hasNonce: boolean;
}

/** Turns an error of the socket, of TLS or of the client into one sentence. */
export function explainFailure(error: unknown, attempt: Attempt): ConnectFailure {
  if (error instanceof ConnectFailure) return error;
  const code = errnoOf(error) ?? '';
  const [fault, reason] =
    explainLogin(code, attempt) ??
    explainTls(code, error, attempt) ??
    explainNetwork(code, attempt) ??
    explainTimeout(code, attempt) ??
    explainOther(error, attempt);
  return new ConnectFailure(fault, reason, { cause: error, version: attempt.version });
}

type Explanation = [ConnectFault, string];

function explainLogin(code: string, { label, credentials }: Attempt): Explanation | undefined {
  if (!/^(AUTHORIZATION_VIOLATION|AUTHENTICATION_EXPIRED|AUTHENTICATION_TIMEOUT|ACCOUNT_EXPIRED)$/.test(code))
    return undefined;
  if (!credentials)
    return [
      'unauthorized',
      `the broker at ${label} wants credentials and none are set: set nats.token, nats.tokenFile, nats.user or nats.credsFile`,
    ];
  if (credentials === keyCredentials)
    return [
      'unauthorized',
      `the broker at ${label} did not let this node in: its requester does not answer, or knows neither the key of this node nor a join code of it`,
    ];
  const expired = code.endsWith('EXPIRED') ? ': they have expired' : '';
  return ['unauthorized', `the broker at ${label} refused our credentials${expired}: check ${credentials}`];
}

function explainNetwork(code: string, { label, host }: Attempt): Explanation | undefined {
  const reasons: Record<string, string> = {
    ECONNREFUSED: `nothing listens at ${label} (connection refused): is the broker running there?`,
    ENOTFOUND: `cannot find the host ${host} of ${label} (host not found): check nats.servers`,
    EAI_AGAIN: `cannot find the host ${host} of ${label}: the name service does not answer`,
    EHOSTUNREACH: `no route to the broker at ${label} (host unreachable)`,
    ENETUNREACH: `no route to the broker at ${label} (network unreachable)`,
    ETIMEDOUT: `the broker at ${label} does not answer (timed out)`,
    EACCES: `this machine does not let us connect to ${label} (permission denied)`,
    EPERM: `this machine does not let us connect to ${label} (permission denied)`,
    EMFILE: `cannot connect to ${label}: too many open files in this process`,
  };
  const reason = reasons[code];
  return reason === undefined ? undefined : ['unreachable', reason];
}

function explainTimeout(
  code: string,
  { label, stage, timeoutMs, handshakeFirst, credentials }: Attempt,
): Explanation | undefined {
  if (code !== 'TIMEOUT' && code !== 'CONNECTION_TIMEOUT') return undefined;
  const within = `within ${timeoutMs / 1000} s`;
  const hint = handshakeFirst ? '' : ', or wants nats.tls.handshakeFirst';
  const reasons: Partial<Record<Attempt['stage'], Explanation>> = {
    connecting: ['unreachable', `the broker at ${label} does not answer (no connection ${within})`],
    greeting: [
      'unreachable',
      `${label} accepts connections but sent no greeting ${within}: it hangs, is no NATS server${hint}`,
    ],
    tls: ['tls', `the TLS handshake with the broker at ${label} did not end ${within}`],
    authenticating: [
      // A requester leaves a key that it does not know without an answer.
      credentials === keyCredentials ? 'unauthorized' : 'unreachable',
      `the broker at ${label} greeted us but did not answer our login ${within}: its requester does not know us or is away, or it hangs`,
    ],
  };
  return reasons[stage];
}

/** OpenSSL's codes for a certificate that no trusted CA has signed. */
const untrusted = [
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'INVALID_CA',
];

/** Explains why the certificates that a broker showed are not trusted. `code` is that of OpenSSL or Node. */
export function explainCertificate(
  code: string,
  { chain }: PeerCertificates,
  attempt: Attempt,
): ConnectFailure {
  const { label, serverName, caFile, pins, now, version } = attempt;
  const certificate = `the certificate of the broker at ${label}`;
  const fail = (reason: string) => new ConnectFailure('tls', reason, { version });
  const late = chain.map(one => whyNotValidAt(one, now)).findIndex(why => why !== undefined);
  if ((code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') && chain[late]) {
    const which = late === 0 ? certificate : `the CA of the broker at ${label}`;
    return fail(`${which} ${whyNotValidAt(chain[late], now)}; one of the two is wrong`);
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names = chain[0] ? namesOf(chain[0]) : [];
    const remedy =
      pins.length > 0
        ? 'add the address to broker.advertise of the requester'
        : 'name the broker in nats.servers as its certificate does';
    return fail(`${certificate} is for ${listNames(names)} and not for ${serverName}: ${remedy}`);
  }
  if (untrusted.includes(code)) {
    if (pins.length > 0) return fail(otherAuthority(label, pins, chain));
    return fail(
      caFile
        ? `${certificate} is not signed by the CA in nats.tls.caFile (${caFile})`
        : `${certificate} is not signed by a CA that this machine trusts: set nats.tls.caFile to the CA that signed it`,
    );
  }
  return fail(`${certificate} is refused: ${printable(code, 200)}`);
}

function otherAuthority(label: string, pins: readonly string[], chain: readonly X509Certificate[]): string {
  const known = pins.join(', ');
  if (chain.some(one => pins.includes(caPinOf(one))))
    return `the broker at ${label} shows the CA with the pin ${known}, which did not sign its certificate: somebody else may answer there`;
  const last = chain.at(-1);
  const what = last?.ca
    ? `has another CA than this node knows: its pin is ${caPinOf(last)}`
    : 'shows no CA that signed its certificate';
  return `the broker at ${label} ${what}, and ${known} is known. Nothing was sent. Somebody else may answer there, or the CA of the cluster was replaced while this node was away`;
}

function listNames(names: readonly string[]): string {
  const shown = names.slice(0, 5).map(name => printable(name, 100));
  return names.length === 0 ? 'no host' : `${shown.join(', ')}${names.length > 5 ? ', …' : ''}`;
}

function explainTls(code: string, error: unknown, attempt: Attempt): Explanation | undefined {
  const { label, certFile, stage, pins } = attempt;
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG')
    return pins.length > 0
      ? [
          'tls',
          `${label} answers without TLS, and the broker of this cluster uses it. Nothing was sent. Somebody else may answer there; or the requester was told to do without TLS`,
        ]
      : ['tls', `${label} does not begin with TLS: unset nats.tls.handshakeFirst, or check the port`];
  if (/^ERR_SSL_.*ALERT/.test(code) && !/PROTOCOL_VERSION|INTERNAL_ERROR/.test(code))
    return certFile
      ? ['tls', `the broker at ${label} refused our certificate in nats.tls.certFile (${certFile})`]
      : [
          'tls',
          `the broker at ${label} wants a client certificate: set nats.tls.certFile and nats.tls.keyFile`,
        ];
  if (stage === 'tls' || /^(ERR_SSL|ERR_TLS|ERR_OSSL|CERT_|EPROTO)/.test(code))
    return ['tls', `TLS with the broker at ${label} failed: ${printable(reasonOf(error), 200)}`];
  return undefined;
}

function explainOther(error: unknown, { label }: Attempt): Explanation {
  const code = errnoOf(error) ?? '';
  if (
    error === undefined ||
    ['ECONNRESET', 'EPIPE', 'CONNECTION_REFUSED', 'CONNECTION_CLOSED'].includes(code)
  )
    return ['unreachable', `the broker at ${label} closed the connection before it was made`];
  if (code === 'NATS_PROTOCOL_ERR')
    return ['unreachable', `the broker at ${label} turned us away: ${printable(reasonOf(error), 200)}`];
  return ['unreachable', `cannot connect to the broker at ${label}: ${printable(reasonOf(error), 200)}`];
}
