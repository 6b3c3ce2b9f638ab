// The checksum is that of node:zlib, before and after a process has read much.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 as native } from 'node:zlib';
import fc from 'fast-check';
import { crc32 } from '../../agent/protocol/crc32.ts';

const bytes = fc.uint8Array({ maxLength: 300 });

test('is that of node:zlib', () => {
  fc.assert(fc.property(bytes, each => assert.equal(crc32(each), native(each))));
});

test('is the same after a megabyte', () => {
  const large = new Uint8Array(1_048_576).fill(7);
  assert.equal(crc32(large), native(large));
  fc.assert(fc.property(bytes, each => assert.equal(crc32(each), native(each))));
});
