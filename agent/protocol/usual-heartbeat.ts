// Reads heartbeats in the form in which agents and Bacalhau's nodes write them, and makes no texts of them: a requester reads nothing
// else as often, and looks for the node of each by its bytes.
import { envelopeBodyAt, isCheckedJson } from './envelope.ts';
import { FixedText } from './fixed-text.ts';

/** No text in the metadata of a message that is not longer is longer than one in an envelope may be. */
const mostBytes = envelopeBodyAt + 512;
const idCharacters = 128;
/** A number of so many digits is a safe integer. */
const sequenceDigits = 15;

// The texts between those that differ from one heartbeat to the next.
const beforeTime = new FixedText('{"metadata":{"Bacalhau-EventTime":"');
const beforeSource = new FixedText('","Bacalhau-PayloadEncoding":"json","Bacalhau-Source":"');
const afterSource = new FixedText('","Bacalhau-Type":"heartbeat","');
const beforeSession = new FixedText('Muster-Session":"');
const afterSession = new FixedText('","PayloadEncoding":"json","Type":"heartbeat"},"payload":{"NodeID":"');
const withoutSession = new FixedText('PayloadEncoding":"json","Type":"heartbeat"},"payload":{"NodeID":"');
const beforeSequence = new FixedText('","Sequence":');
const closingBrace = 0x7d;
const digitZero = 0x30;
const digitNine = 0x39;

/** A heartbeat, and where its id and its session stand in bytes. It counts until the next one is read. */
export interface UsualHeartbeat {
  readonly bytes: Buffer;
  /** The same bytes. */
  readonly view: DataView;
  readonly idAt: number;
  readonly idLength: number;
  readonly sessionAt: number;
  /** Zero when the heartbeat names no session. */
  readonly sessionLength: number;
  readonly sequence: number;
}

/**
 * The message that is read, and behind it what is left of longer ones. Behind the longest one there are zeros, at which each text
 * ends.
 */
const bytes = Buffer.alloc(2 * mostBytes);
const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** Tells by a byte whether that character may stand in an id, or in a session of this form. */
const inName = Uint8Array.from({ length: 256 }, (_, byte) => Number(/[\w-]/.test(String.fromCharCode(byte))));

/**
 * Reads a heartbeat in the usual form. Its texts need no unescaping, and a JSON reader would find nothing else in it. Returns
 * undefined for any other message.
 */
export function readUsualHeartbeat(message: Uint8Array): UsualHeartbeat | undefined {
  const { length } = message;
  if (length > mostBytes || !isCheckedJson(message)) return undefined;
  bytes.set(message);
  if (!beforeTime.isAt(view, envelopeBodyAt)) return undefined;
  const timeEnd = endOfDigits(envelopeBodyAt + beforeTime.length);
  if (!beforeSource.isAt(view, timeEnd)) return undefined;
  const sourceEnd = endOfName(timeEnd + beforeSource.length);
  if (!afterSource.isAt(view, sourceEnd)) return undefined;
  let at = sourceEnd + afterSource.length;
  let sessionAt = at;
  let sessionLength = 0;
  let next = withoutSession;
  if (beforeSession.isAt(view, at)) {
    sessionAt = at + beforeSession.length;
    at = endOfName(sessionAt);
    sessionLength = at - sessionAt;
    next = afterSession;
  }
  if (!next.isAt(view, at)) return undefined;
  const idAt = at + next.length;
  const idLength = endOfName(idAt) - idAt;
  if (idLength === 0 || idLength > idCharacters || !beforeSequence.isAt(view, idAt + idLength))
    return undefined;
  const sequenceAt = idAt + idLength + beforeSequence.length;
  const end = endOfDigits(sequenceAt);
  // Behind the end of the message stands what is left of another one. Whatever was found there ends behind that end too.
  if (end + 2 !== length || bytes[end] !== closingBrace || bytes[end + 1] !== closingBrace) return undefined;
  if (!isSequence(sequenceAt, end)) return undefined;
  return { bytes, view, idAt, idLength, sessionAt, sessionLength, sequence: numberIn(sequenceAt, end) };
}

/** Returns whether the id of a heartbeat stands in a subject, between so many bytes before it and so many after it. */
export function isIdIn(
  subject: Uint8Array,
  { before, after }: { before: number; after: number },
  { bytes, idAt, idLength }: UsualHeartbeat,
): boolean {
  if (subject.length !== before + idLength + after) return false;
  for (let index = 0; index < idLength; index++)
    if (subject[before + index] !== bytes[idAt + index]) return false;
  return true;
}

function endOfName(from: number): number {
  let at = from;
  while (inName[bytes[at] ?? 0] === 1) at++;
  return at;
}

function endOfDigits(from: number): number {
  let at = from;
  for (let byte = bytes[at] ?? 0; byte >= digitZero && byte <= digitNine; byte = bytes[at] ?? 0) at++;
  return at;
}

// A number in JSON has no zeros before it.
const isSequence = (from: number, end: number): boolean =>
  end - from === 1 || (end > from && end - from <= sequenceDigits && bytes[from] !== digitZero);

function numberIn(from: number, end: number): number {
  let value = 0;
  for (let at = from; at < end; at++) value = 10 * value + (bytes[at] ?? 0) - digitZero;
  return value;
}
