// Reads a stream of events, which ends by itself or follows what comes.
import type { IncomingMessage } from 'node:http';
import { ProtocolError } from '../protocol/error.ts';
import { signOfLifeHeader } from '../protocol/http.ts';
import { errnoOf, MusterError } from '../system/errors.ts';
import { readEvent, type ShownEvent } from './answers.ts';
import { parseJson, readLines } from './read-response.ts';
import { type ApiRequests, withQuery } from './requests.ts';

/** Number of signs of life that may be missing before a requester counts as one that hangs. */
const missedSigns = 4;

/** The functions that are called while an event stream is read. The events themselves are yielded. */
export interface EventListeners {
  /** Called when the requester has answered; its events follow. */
  onOpen?(): void;
  /** Called for a line that is not a membership event, because other programs may publish under the same subjects. */
  onUnreadable(reason: string): void;
}

/**
 * Yields the events that match `query`. With `follow` the stream goes on until the requester stops, so its end is an
 * error. So is the silence of one that hangs, or that hears no events itself; another one is asked first then. @throws
 * MusterError `unreachable`, or the error in the requester's answer
 */
export async function* readEvents(
  requests: ApiRequests,
  query: Readonly<Record<string, string>>,
  { onOpen, onUnreadable }: EventListeners,
): AsyncGenerator<ShownEvent> {
  const following = query.follow === 'true';
  const { response, server } = await requests.open(withQuery('/orchestrator/events', query), requireEvents);
  try {
    onOpen?.();
    if (!following) server.limitSilence(response);
    for await (const line of readLines(response, following ? silenceOf(response) : undefined)) {
      const event = eventOf(line, onUnreadable);
      if (event) yield event;
    }
  } catch (error) {
    if (following && errnoOf(error) === 'ETIMEDOUT') {
      requests.leave(server);
      throw new MusterError('unreachable', `the requester at ${server.url} gives no sign of life`);
    }
    throw server.explain(error, { hasAnswered: true });
  }
  if (following) throw new MusterError('unreachable', `the requester at ${server.url} stopped`);
}

/** Returns the longest silence of a stream in milliseconds; undefined when the requester sends no signs of life. */
function silenceOf({ headers }: IncomingMessage): number | undefined {
  const everyMs = Number(headers[signOfLifeHeader.toLowerCase()]);
  return everyMs >= 1 && everyMs <= 300_000 ? missedSigns * everyMs : undefined;
}

/** Throws ProtocolError for an answer that is not a stream of events, because its lines would all be left out. */
function requireEvents({ headers }: IncomingMessage): void {
  const type = headers['content-type'] ?? '';
  if (/^application\/x-ndjson\b/i.test(type)) return;
  throw new ProtocolError(
    'malformed',
    `its answer is no stream of events (${type.slice(0, 100) || 'no type'})`,
  );
}

function eventOf(line: string, onUnreadable: (reason: string) => void): ShownEvent | undefined {
  try {
    return readEvent(parseJson(line));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    onUnreadable(error.message);
    return undefined;
  }
}
