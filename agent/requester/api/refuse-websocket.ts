// Refuses a caller who wants a WebSocket (RFC 6455) by a message on it: Bacalhau's command line shows nothing of another answer.
import { createHash } from 'node:crypto';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Call } from './authorize.ts';

/** Returns whether the caller wants a WebSocket. */
export function wantsWebSocket(call: Call): boolean {
  const wants = call.req.header('upgrade')?.toLowerCase() === 'websocket';
  return wants && /^[A-Za-z0-9+/]{22}==$/.test(keyOf(call));
}

/** Opens the WebSocket, sends `value` as one message, and closes it. */
export function refuseByMessage(call: Call, value: unknown): Response {
  const head = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${createHash('sha1')
      .update(`${keyOf(call)}${suffix}`)
      .digest('base64')}`,
  ];
  const { socket } = call.env.incoming;
  const opening = Buffer.from(`${head.join('\r\n')}\r\n\r\n`);
  const message = frame(1, Buffer.from(JSON.stringify(value)));
  socket.write(Buffer.concat([opening, message, frame(8, normalClosure)]));
  socket.destroySoon();
  return RESPONSE_ALREADY_SENT;
}

const keyOf = (call: Call): string => call.req.header('sec-websocket-key') ?? '';

/** The text that the RFC has a server add to the key of the caller. */
const suffix = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const normalClosure = Buffer.from([0x03, 0xe8]);

/** Returns a whole frame: 1 is a text, 8 a close. The texts of refusals are shorter than 64 KiB. */
function frame(kind: 1 | 8, data: Buffer): Buffer {
  const final = 0x80;
  const isShort = data.length < 126;
  const head = Buffer.alloc(isShort ? 2 : 4);
  head[0] = final | kind;
  head[1] = isShort ? data.length : 126;
  if (!isShort) head.writeUInt16BE(data.length, 2);
  return Buffer.concat([head, data]);
}
