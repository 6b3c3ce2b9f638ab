// Turns a failed request into the error for an operator: what failed, at which address, and what to do.
import { formatDuration } from '../config/units.ts';
import { ProtocolError } from '../protocol/error.ts';
import { problemCodes } from '../protocol/http-problems.ts';
import { type ErrorCode, errnoOf, MusterError, reasonOf } from '../system/errors.ts';
import { readProblem } from './answers.ts';

/** The requester to which the request was sent. */
export interface Asked {
  readonly url: string;
  readonly host: string;
  readonly deadlineMs: number;
  /** Reasons why host and port may be wrong. */
  readonly doubts: readonly string[];
  /** The change that is asked for. It may be made although its answer is lost. */
  readonly change?: AskedChange | undefined;
  /** Whether the requester had begun its answer, so that address and protocol are right. */
  readonly hasAnswered?: boolean;
}

/** A change that is asked for. */
export interface AskedChange {
  /** What it is, such as `the decision about node gpu-7`. */
  readonly what: string;
  /** The id of its operation. */
  readonly operation: string;
  /** The command that tells whether it was made. */
  readonly findOut: string;
}

/** Returns the error for an operator: what failed, at which address, and what to do. */
export function explain(error: unknown, asked: Asked): MusterError {
  const { url, host, deadlineMs, doubts, change, hasAnswered } = asked;
  if (error instanceof MusterError) return error;
  const startOrName = [...doubts, startOrNameText].join('; ');
  const unreachable = (message: string, hint?: string) =>
    new MusterError('unreachable', message, { hint, cause: error });
  const code = errnoOf(error) ?? '';
  if (code === 'ECONNREFUSED') return unreachable(`no requester answers at ${url}`, startOrName);
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return unreachable(`no requester answers at ${url}: there is no host ${host}`, startOrName);
  }
  const mayStand = change === undefined ? '' : `; ${mayStandText(change)}`;
  const findOut = change && findOutHint(change);
  if (code === 'ETIMEDOUT') {
    const text = `the requester at ${url} did not answer within ${formatDuration(deadlineMs)}`;
    const hung = 'it hangs, or its machine has too much to do; on that machine, muster status says more';
    return unreachable(`${text}${mayStand}`, findOut ?? hung);
  }
  if (code === 'ECONNRESET' || code === 'EPIPE') {
    return unreachable(
      `the connection to ${url} was lost${mayStand}`,
      findOut ?? (hasAnswered ? undefined : tlsHint(url)),
    );
  }
  const certificateFault = certificateFaults[code];
  if (certificateFault !== undefined) {
    return unreachable(`nothing was sent to ${url}: ${certificateFault.what}`, certificateFault.hint);
  }
  if (error instanceof ProtocolError || code.startsWith('HPE_')) {
    return unreachable(
      `the program that answers at ${url} is not a requester that this muster understands: ${reasonOf(error)}`,
      startOrName,
    );
  }
  return unreachable(`no requester answers at ${url}: ${reasonOf(error)}`, startOrName);
}

/** Says of a change without an answer that it may have been made. */
export const mayStandText = ({ what, operation }: AskedChange): string =>
  `${what} may stand or not (operation ${operation})`;
export const findOutHint = ({ findOut }: AskedChange): string => `find out with: ${findOut}`;

const startOrNameText =
  'start one with "muster requester" or "muster dev", or say where it runs: --api-host and --api-port, MUSTER_API_HOST and MUSTER_API_PORT, or api.host and api.port in the configuration file';

/** Returns whether a hint only says to start a requester, or to name another address. */
export const isStartOrName = (hint: string): boolean => hint.endsWith(startOrNameText);

const otherAuthority = {
  what: 'its certificate is not signed by a CA that this machine trusts',
  hint: 'name the CA of the requester: its ca.pem with --api-tls-ca-file, or its pin with --api-tls-pin; on its own machine, muster doctor shows the pin',
};
const wrongClock =
  'see whether the clock of this machine is right; otherwise renew the certificate of the requester';

/** What is wrong with a certificate, by the codes of Node and OpenSSL. */
const certificateFaults: Readonly<Record<string, { what: string; hint: string }>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: otherAuthority,
  SELF_SIGNED_CERT_IN_CHAIN: otherAuthority,
  UNABLE_TO_GET_ISSUER_CERT: otherAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: otherAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: otherAuthority,
  CERT_SIGNATURE_FAILURE: otherAuthority,
  CERT_HAS_EXPIRED: { what: 'its certificate has expired', hint: wrongClock },
  CERT_NOT_YET_VALID: { what: 'its certificate is not valid yet', hint: wrongClock },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    what: 'its certificate is for other names',
    hint: 'use one of its names with --api-host, or add this one on the requester: broker.advertise',
  },
  ERR_SSL_WRONG_VERSION_NUMBER: {
    what: 'it does not speak TLS, without which nothing goes to another machine',
    hint: 'set api.host of the requester to an address that other machines reach, and start it again',
  },
  ERR_SSL_PACKET_LENGTH_TOO_LONG: {
    what: 'it does not speak TLS, without which nothing goes to another machine',
    hint: 'set api.host of the requester to an address that other machines reach, and start it again',
  },
};

/** Returns the error of a request that got no answer in time, in the form of Node's own errors. */
export const timeoutError = (): Error => Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' });

/** The error of each problem code. A request that the requester cannot read comes from wrong flags. */
const errorCodes: Readonly<Record<string, ErrorCode>> = {
  ...Object.fromEntries(
    Object.entries(problemCodes).map(([error, problem]) => [problem, error as ErrorCode]),
  ),
  BadRequest: 'usage',
  PayloadTooLarge: 'usage',
};
const errorsOfStatus: Readonly<Record<number, ErrorCode>> = {
  401: 'not_allowed',
  403: 'not_allowed',
  503: 'unreachable',
};

/** Returns the requester's refusal in its own words. @throws ProtocolError when the body is not a refusal. */
export function refusalOf(status: number, body: unknown): MusterError {
  const { Message, Code, Hint, NothingDone } = readProblem(body);
  const known = Object.hasOwn(errorCodes, Code) ? errorCodes[Code] : undefined;
  return new MusterError(known ?? errorsOfStatus[status] ?? 'failed', Message, {
    hint: Hint || undefined,
    nothingDone: NothingDone,
  });
}

/** Returns the refusal of a request without a token, with what to do. `missed` says of each place why it has no token. */
export function tokenWanted({ code, message, hint }: MusterError, missed: readonly string[]): MusterError {
  const name = 'name the file of a token of your own with --api-token-file or MUSTER_API_TOKEN_FILE';
  const todo =
    missed.length > 0
      ? `${missed.join('; ')}: run the command as its user or as root, or ${name}`
      : `${name}${hint ? `; ${hint}` : ''}`;
  return new MusterError(code, message, { hint: todo });
}

// An API that other machines reach speaks only TLS, and ends a connection without it. By api.host the command knows.
const tlsHint = (url: string): string | undefined =>
  url.startsWith('http:')
    ? 'if other machines reach its API too, it speaks TLS: give its address with --api-host, as the requester has it (api.host)'
    : undefined;
