// Reads one message of a stream, by its sequence or as the newest of its subject.
import { type MsgHdrs, headers as newHeaders } from 'nats';
import { ApiError, apiErrors, callApi, isCount, type StorageConnection } from './jetstream.ts';
import { BrokerError } from './port.ts';
import type { StoredMessage } from './received-message.ts';

/** Returns the message, or undefined when the stream does not have it. Throws BrokerError. */
export async function readStoredMessage(
  connection: StorageConnection,
  stream: string,
  which: { seq: number; next_by_subj?: string } | { last_by_subj: string },
): Promise<StoredMessage | undefined> {
  try {
    // This asks the leader of the stream. The faster "direct get" may ask a replica with older data.
    const { message } = await callApi(connection, `STREAM.MSG.GET.${stream}`, which);
    return parseStoredMessage(message);
  } catch (error) {
    if (error instanceof ApiError && error.code === apiErrors.messageNotFound) return undefined;
    throw error;
  }
}

function parseStoredMessage(message: unknown): StoredMessage {
  const { subject, seq, data = '', hdrs, time } = (message ?? {}) as Record<string, unknown>;
  const at = new Date(typeof time === 'string' ? time : Number.NaN);
  if (typeof subject !== 'string' || !isCount(seq) || typeof data !== 'string' || Number.isNaN(at.getTime()))
    throw new BrokerError('refused', 'the broker answered with a record that muster does not understand');
  const headers = typeof hdrs === 'string' ? parseHeaders(Buffer.from(hdrs, 'base64').toString()) : undefined;
  return { subject, sequence: seq, data: Buffer.from(data, 'base64'), headers, time: at };
}

function parseHeaders(text: string): MsgHdrs {
  const headers = newHeaders();
  try {
    for (const line of text.split('\r\n').slice(1)) {
      const colon = line.indexOf(':');
      if (colon > 0) headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
    }
  } catch (cause) {
    throw new BrokerError('refused', 'the broker answered with headers that cannot be read', { cause });
  }
  return headers;
}
