// The file that says which CA follows holds the ids of a whole fleet.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readRotation, writeRotation } from '../../../agent/requester/authorities/rotation-file.ts';
import { newFolder } from '../../support/temporary.ts';

test('the nodes that trust the next CA are read again, also when they are thousands', async () => {
  const folder = await newFolder();
  const confirmed = Array.from({ length: 5_000 }, (_, index) => `n-7c1d2a34-5b6e-4f70-8a91-b2c3d4e5${index}`);
  const rotation = { next: 'A'.repeat(43), by: 'ada', at: '2026-01-01T00:00:00Z', confirmed, isReady: false };
  await writeRotation(folder, rotation);
  assert.deepEqual(await readRotation(folder), rotation);
  await writeRotation(folder, undefined);
  assert.equal(await readRotation(folder), undefined);
});
