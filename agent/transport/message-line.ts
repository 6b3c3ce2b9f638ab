// Reads the line that comes before each message, as brokers write it: one blank between its fields. The client reads it in a way
// that takes several times as long. The broker sends such a line for each heartbeat, and for each record at a start.

/** What the line says of its message. The client keeps it in this form. */
export interface MessageArgs {
  subject: Uint8Array;
  reply?: Uint8Array | undefined;
  sid: number;
  /** The length of the headers; -1 when there are none. */
  hdr: number;
  /** The length of the headers and the data. */
  size: number;
}

const [tab, lf, cr, blank, zero, nine] = [9, 10, 13, 32, 48, 57];

/**
 * Reads `line`, which is behind `MSG ` or `HMSG `: subject, number of the subscription, perhaps the subject for an answer, the
 * length of the headers of a message that has some, and its size. Returns false, and leaves `args` as they were, for a line in any
 * other form and for a wrong one.
 */
export function readMessageLine(args: MessageArgs, line: Uint8Array, hasHeaders: boolean): boolean {
  let [blanks, first, second, third, fourth] = [0, 0, 0, 0, 0];
  for (let at = 0; at < line.length; at++) {
    const byte = line[at];
    if (byte === tab || byte === lf || byte === cr) return false;
    if (byte !== blank) continue;
    blanks++;
    if (blanks === 1) first = at;
    else if (blanks === 2) second = at;
    else if (blanks === 3) third = at;
    else fourth = at;
  }
  const withoutReply = hasHeaders ? 3 : 2;
  const hasReply = blanks === withoutReply + 1;
  if ((!hasReply && blanks !== withoutReply) || first === 0) return false;
  const sid = readSize(line, first + 1, second);
  const last = blanks === 4 ? fourth : blanks === 3 ? third : second;
  const size = readSize(line, last + 1, line.length);
  // The length of the headers is in the field before the last one.
  const hdr = hasHeaders ? readSize(line, (hasReply ? third : second) + 1, last) : -1;
  const isReplyEmpty = hasReply && third === second + 1;
  if (sid < 0 || size < 0 || isReplyEmpty || (hasHeaders && (hdr < 0 || hdr > size))) return false;
  args.subject = line.subarray(0, first);
  args.sid = sid;
  args.reply = hasReply ? line.subarray(second + 1, third) : undefined;
  if (hasHeaders) args.hdr = hdr;
  args.size = size;
  return true;
}

/** Returns the number whose digits are between two places; -1 when there is none. */
function readSize(line: Uint8Array, start: number, end: number): number {
  if (start >= end) return -1;
  let number = 0;
  for (let at = start; at < end; at++) {
    const digit = line[at] ?? 0;
    if (digit < zero || digit > nine) return -1;
    number = number * 10 + digit - zero;
  }
  return number;
}
