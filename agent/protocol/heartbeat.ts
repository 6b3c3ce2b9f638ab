// Reads and writes heartbeats, in an envelope (Bacalhau from 1.5 on) or as plain JSON (up to 1.4). This code runs most often
// of all.
import {
  checkedJsonBody,
  decodeEnvelope,
  encodeEnvelope,
  envelopeType,
  messageMetadata,
  metadataKeys,
} from './envelope.ts';
import { ProtocolError } from './error.ts';
import { parseJson, writeJson } from './json.ts';
import { type Heartbeat, heartbeatSchema } from './messages.ts';
import { nodeIdPattern, validate } from './schema.ts';

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
  const usual = readUsual(bytes);
  if (usual) return usual;
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

/**
 * A heartbeat as `encodeHeartbeat` and Bacalhau's nodes write it. Its texts need no unescaping, and a JSON reader would find
 * nothing else in it. Limits in the pattern would take a third of its time, so lengths are compared afterwards.
 */
const usualForm =
  /^\{"metadata":\{"Bacalhau-EventTime":"\d+","Bacalhau-PayloadEncoding":"json","Bacalhau-Source":"[\w-]+","Bacalhau-Type":"heartbeat",(?:"Muster-Session":"([\w-]+)",)?"PayloadEncoding":"json","Type":"heartbeat"\},"payload":\{"NodeID":"([\w-]+)","Sequence":(0|[1-9]\d*)\}\}$/;

/** No text in the metadata of a body that is not longer is longer than one in an envelope may be. */
const usualBytes = 512;
const idCharacters = 128;
/** A number of so many digits is a safe integer. */
const sequenceDigits = 15;

// Reads a heartbeat in the usual form without making objects of it, which takes a third of the time; returns undefined for
// any other.
function readUsual(bytes: Uint8Array): ReceivedHeartbeat | undefined {
  const body = checkedJsonBody(bytes);
  const found = body && body.length <= usualBytes && usualForm.exec(body.toString('latin1'));
  if (!found) return undefined;
  const [, session, NodeID = '', sequence = ''] = found;
  if (NodeID.length > idCharacters || sequence.length > sequenceDigits) return undefined;
  return { NodeID, Sequence: Number(sequence), session };
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
