// The heartbeat, in both of its encodings: enveloped (Bacalhau ≥ 1.5) and plain JSON (≤ 1.4). The hottest path there is.
import { decodeEnvelope, encodeEnvelope, envelopeType, messageMetadata, metadataKeys } from './envelope.ts';
import { ProtocolError } from './error.ts';
import { parseJson, writeJson } from './json.ts';
import { type Heartbeat, heartbeatSchema } from './messages.ts';
import { nodeIdPattern, validate } from './schema.ts';

const heartbeatType = 'heartbeat';

export interface ReceivedHeartbeat extends Heartbeat {
  /** The registration it belongs to; absent from a Bacalhau node. */
  session: string | undefined;
}

/** A heartbeat for a topic that names the node. */
export function encodeHeartbeat(beat: Heartbeat, session: string | undefined, at: Date): Buffer {
  const metadata = messageMetadata(heartbeatType, beat.NodeID, at);
  if (session) metadata[metadataKeys.session] = session;
  return encodeEnvelope({ metadata, payload: beat });
}

/** A heartbeat for a topic shared by all nodes. */
export const encodePlainHeartbeat = (beat: Heartbeat): string => writeJson(beat);

/**
 * Reads either encoding: an envelope starts with its version (1 or 2), plain JSON with a brace or a blank.
 * @throws ProtocolError
 */
export function decodeHeartbeat(bytes: Uint8Array): ReceivedHeartbeat {
  const enveloped = (bytes[0] ?? 0) < 0x09;
  if (!enveloped) return { ...readBeat(parseJson(bytes)), session: undefined };
  const envelope = decodeEnvelope(bytes);
  const type = envelopeType(envelope);
  if (type !== heartbeatType) {
    throw new ProtocolError('malformed', `unsupported message type: ${type.slice(0, 64)}`);
  }
  return { ...readBeat(envelope.payload), session: envelope.metadata[metadataKeys.session] || undefined };
}

function readBeat(value: unknown): Heartbeat {
  // The usual shape is checked by hand; anything else gets the schema, which says what is wrong with it.
  if (typeof value === 'object' && value !== null && 'NodeID' in value && 'Sequence' in value) {
    const { NodeID, Sequence } = value;
    if (typeof NodeID === 'string' && nodeIdPattern.test(NodeID) && isCount(Sequence)) {
      return { NodeID, Sequence };
    }
  }
  return validate(heartbeatSchema, value);
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
