// How long the caller of a change waits for the answer. A requester that was suspended reads a request late, and must not
// carry out what its caller has given up. It judges that by its own clock alone: the caller sends back a time that it got from
// the same requester before, and how long it has waited at most when it gives up.

/** The header with the time of the requester, in answers to what a caller asks first, and in the change that follows. */
export const requesterTimeHeader = 'Muster-Requester-Time';

/** The header with the time in milliseconds from then on, after which the caller does not wait any more. */
export const callerWaitHeader = 'Muster-Caller-Wait';

/** A time of one requester process. */
export interface RequesterTime {
  /** Random for each process. */
  instance: string;
  /** The monotonic time, which does not count a suspension of the machine, and the wall time; both in milliseconds. */
  monotonicMs: number;
  wallMs: number;
}

export const writeRequesterTime = ({ instance, monotonicMs, wallMs }: RequesterTime): string =>
  `${instance}/${Math.floor(monotonicMs)}/${Math.floor(wallMs)}`;

const timePattern = /^(?<instance>[0-9a-f-]{36})\/(?<monotonic>\d{1,15})\/(?<wall>\d{1,15})$/;

/** Reads a time of a requester; undefined for a text that is none. */
export function readRequesterTime(text: string): RequesterTime | undefined {
  const { instance = '', monotonic, wall } = timePattern.exec(text)?.groups ?? {};
  return monotonic === undefined || wall === undefined
    ? undefined
    : { instance, monotonicMs: Number(monotonic), wallMs: Number(wall) };
}

/** Reads for how long a caller waits, in milliseconds; undefined for a text that does not say it. */
export const readCallerWait = (text: string): number | undefined =>
  /^\d{1,9}$/.test(text) ? Number(text) : undefined;
