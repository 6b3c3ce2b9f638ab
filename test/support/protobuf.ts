// Writes the parts of protobuf's wire format that correct and broken envelopes of version 2 need.

export function varint(value: bigint | number): Buffer {
  const out: number[] = [];
  let rest = BigInt(value);
  for (; rest >= 0x80n; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80);
  out.push(Number(rest));
  return Buffer.from(out);
}

export function bytesField(field: number, content: Uint8Array | string): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([varint(field * 8 + 2), varint(bytes.length), bytes]);
}

export const numberField = (field: number, value: bigint | number): Buffer =>
  Buffer.concat([varint(field * 8), varint(value)]);

export const fixedField = (field: number, size: 4 | 8): Buffer =>
  Buffer.concat([varint(field * 8 + (size === 8 ? 1 : 5)), Buffer.alloc(size, 0xa5)]);

/** Returns the body of an envelope: `{1: {1: map<string,string>}, 2: {1: bytes}}`. */
export function protobufEnvelope(envelope: { metadata: Record<string, string>; payload: unknown }): Buffer {
  const pairs = Object.entries(envelope.metadata).map(([key, value]) =>
    bytesField(1, Buffer.concat([bytesField(1, key), bytesField(2, value)])),
  );
  return Buffer.concat([
    bytesField(1, Buffer.concat(pairs)),
    bytesField(2, bytesField(1, JSON.stringify(envelope.payload))),
  ]);
}
