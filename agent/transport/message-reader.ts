// Reads whole messages from what a broker sent, as brokers write them: one blank between the fields of the line before a message.
// The client reads each byte in a way that takes several times as long. The broker sends such a message for each heartbeat, and for
// each record and each event at a start.

const [tab, lf, cr, blank, zero, nine] = [9, 10, 13, 32, 48, 57];
const [messageWord, headerWord] = [Buffer.from('MSG '), Buffer.from('HMSG ')];

/** The fields of a line, and where its message begins. */
export interface LineFields {
  subjectAt: number;
  subjectEnd: number;
  /** Where the subject for an answer is; both are the same when there is none. */
  replyAt: number;
  replyEnd: number;
  /** The number of the subscription. */
  sid: number;
  /** The length of the headers; -1 when there are none. */
  hdr: number;
  /** The length of the headers and the data. */
  size: number;
}

/** The line before a message. The client keeps it with the message, and asks it for its members. */
export class MessageLine {
  readonly sid: number;
  readonly hdr: number;
  readonly size: number;
  /** What the broker sent, and where in it the two subjects are; see `LineFields`. */
  readonly bytes: Buffer;
  readonly subjectAt: number;
  readonly subjectEnd: number;
  readonly replyAt: number;
  readonly replyEnd: number;

  constructor(bytes: Buffer, { subjectAt, subjectEnd, replyAt, replyEnd, sid, hdr, size }: LineFields) {
    this.bytes = bytes;
    this.subjectAt = subjectAt;
    this.subjectEnd = subjectEnd;
    this.replyAt = replyAt;
    this.replyEnd = replyEnd;
    this.sid = sid;
    this.hdr = hdr;
    this.size = size;
  }

  // Most readers want only one of the two, and views of bytes are large.
  get subject(): Uint8Array {
    return this.bytes.subarray(this.subjectAt, this.subjectEnd);
  }

  get reply(): Uint8Array | undefined {
    return this.replyAt < this.replyEnd ? this.bytes.subarray(this.replyAt, this.replyEnd) : undefined;
  }
}

/**
 * Reads the messages that are whole in `bytes`, one behind the other from `start` on, and calls `onMessage` with each: `data` has its
 * headers and its data. Returns where the first thing begins that it did not read: a message that is not whole, or has a line in
 * another form, or anything that is no message.
 */
export function readMessages(
  bytes: Buffer,
  start: number,
  onMessage: (line: MessageLine, data: Uint8Array) => void,
): number {
  let at = start;
  for (;;) {
    const begin = readLine(bytes, at);
    const end = begin + fields.size;
    // Reading beyond the last byte would make this slow.
    if (begin < 0 || end + 2 > bytes.length || bytes[end] !== cr || bytes[end + 1] !== lf) return at;
    at = end + 2;
    onMessage(new MessageLine(bytes, fields), bytes.subarray(begin, end));
  }
}

/** What `readLine` has read last. */
const fields: LineFields = {
  subjectAt: 0,
  subjectEnd: 0,
  replyAt: 0,
  replyEnd: 0,
  sid: 0,
  hdr: 0,
  size: 0,
};

/**
 * Reads the line at a place of `bytes` into `fields`: subject, number of the subscription, perhaps the subject for an answer, the length
 * of the headers of a message that has some, and its size. Returns where its message begins; -1 for a line that is not whole, that is
 * in any other form, or that is wrong.
 */
function readLine(bytes: Uint8Array, start: number): number {
  if (start + headerWord.length >= bytes.length) return -1;
  const hasHeaders = bytes[start] === headerWord[0];
  const word = hasHeaders ? headerWord : messageWord;
  for (let index = 0; index < word.length; index++) if (bytes[start + index] !== word[index]) return -1;
  const subjectAt = start + word.length;
  let [blanks, first, second, third, fourth] = [0, 0, 0, 0, 0];
  let end = subjectAt;
  for (; end < bytes.length; end++) {
    const byte = bytes[end];
    if (byte === cr) break;
    if (byte === tab || byte === lf) return -1;
    if (byte !== blank) continue;
    blanks++;
    if (blanks === 1) first = end;
    else if (blanks === 2) second = end;
    else if (blanks === 3) third = end;
    else fourth = end;
  }
  const withoutReply = hasHeaders ? 3 : 2;
  const hasReply = blanks === withoutReply + 1;
  if (end + 1 >= bytes.length || bytes[end + 1] !== lf) return -1;
  if ((!hasReply && blanks !== withoutReply) || first === subjectAt) return -1;
  const sid = readSize(bytes, first + 1, second);
  const last = blanks === 4 ? fourth : blanks === 3 ? third : second;
  const size = readSize(bytes, last + 1, end);
  // The length of the headers is in the field before the last one.
  const hdr = hasHeaders ? readSize(bytes, (hasReply ? third : second) + 1, last) : -1;
  const isReplyEmpty = hasReply && third === second + 1;
  if (sid < 0 || size < 0 || isReplyEmpty || (hasHeaders && (hdr < 0 || hdr > size))) return -1;
  fields.subjectAt = subjectAt;
  fields.subjectEnd = first;
  fields.replyAt = hasReply ? second + 1 : 0;
  fields.replyEnd = hasReply ? third : 0;
  fields.sid = sid;
  fields.hdr = hdr;
  fields.size = size;
  return end + 2;
}

/** Returns the number whose digits are between two places; -1 when there is none. */
function readSize(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end) return -1;
  let number = 0;
  for (let at = start; at < end; at++) {
    const digit = bytes[at] ?? 0;
    if (digit < zero || digit > nine) return -1;
    number = number * 10 + digit - zero;
  }
  return number;
}
