// Reads and writes heartbeats, in an envelope (Bacalhau from 1.5 on) or as plain JSON (up to 1.4). This code runs most often
// of all.
import { decodeEnvelope, encodeEnvelope, envelopeType, messageMetadata, metadataKeys } from './envelope.ts';
import { ProtocolError } from './error.ts';
import { parseJson, writeJson } from './json.ts';
import { type Heartbeat, heartbeatSchema } from './messages.ts';
import { nodeIdPattern, validate } from './schema.ts';
import { readUsualHeartbeat, type UsualHeartbeat } from './usual-heartbeat.ts';

const heartbeatType = 'heartbeat';

export interface ReceivedHeartbeat extends Heartbeat {
  /** The session of the node; undefined for a Bacalhau node. */
  session: string | undefined;
}

/** Writes a heartbeat in an envelope, for a topic that contains the node id. */
export function encodeHeartbeat(beat: Heartbeat, session: string | undefined, at: Date): Buffer {
  const metadata = messageMetadata(heartbeatType, beat.NodeID, at);
  if (session) metadata[metadataKeys.session] = session;
  return encodeEnvelope({ metadata, payload: beat });
}

/** Writes a heartbeat as plain JSON, for a topic that all nodes share. */
export const encodePlainHeartbeat = (beat: Heartbeat): string => writeJson(beat);

/**
 * Reads a heartbeat in either form: an envelope begins with its version (1 or 2), plain JSON with a brace or a blank.
 * @throws ProtocolError
 */
export function decodeHeartbeat(bytes: Uint8Array): ReceivedHeartbeat {
  const enveloped = (bytes[0] ?? 0) < 0x09;
  if (!enveloped) return { ...validateHeartbeat(parseJson(bytes)), session: undefined };
  const usual = readUsualHeartbeat(bytes);
  if (usual) return heartbeatOf(usual);
  const envelope = decodeEnvelope(bytes);
  const type = envelopeType(envelope);
  if (type !== heartbeatType) {
    throw new ProtocolError('malformed', `unsupported message type: ${type.slice(0, 64)}`);
  }
  return {
    ...validateHeartbeat(envelope.payload),
    session: envelope.metadata[metadataKeys.session] || undefined,
  };
}

/** Makes texts of a heartbeat in the usual form. */
export function heartbeatOf({
  bytes,
  idAt,
  idLength,
  sessionAt,
  sessionLength,
  sequence,
}: UsualHeartbeat): ReceivedHeartbeat {
  return {
    NodeID: bytes.toString('latin1', idAt, idAt + idLength),
    Sequence: sequence,
    session: sessionLength === 0 ? undefined : bytes.toString('latin1', sessionAt, sessionAt + sessionLength),
  };
}

function validateHeartbeat(value: unknown): Heartbeat {
  // The usual form is checked by hand, which is faster. Any other form is checked by the schema, which says what is wrong.
  if (typeof value === 'object' && value !== null && 'NodeID' in value && 'Sequence' in value) {
    const { NodeID, Sequence } = value;
    if (typeof NodeID === 'string' && nodeIdPattern.test(NodeID) && isCount(Sequence)) {
      return { NodeID, Sequence };
    }
  }
  return validate(heartbeatSchema, value);
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
