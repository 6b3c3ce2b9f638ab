// Tests that a list is worked through in groups.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inGroups } from '../../agent/system/in-groups.ts';

test('a group begins when all items of the one before it are done', async () => {
  const steps: string[] = [];
  await inGroups([1, 2, 3, 4, 5], 2, async item => {
    steps.push(`begin ${item}`);
    await Promise.resolve();
    steps.push(`end ${item}`);
  });
  const pairs = ['begin 1', 'begin 2', 'end 1', 'end 2', 'begin 3', 'begin 4', 'end 3', 'end 4'];
  assert.deepEqual(steps, [...pairs, 'begin 5', 'end 5']);
});

test('the groups after a false answer are left out', async () => {
  const begun: number[] = [];
  await inGroups([1, 2, 3, 4, 5], 2, async item => {
    begun.push(item);
    return item !== 3;
  });
  assert.deepEqual(begun, [1, 2, 3, 4]);
});

test('an error of one item is thrown', async () => {
  const work = async () => Promise.reject(new Error('broken'));
  await assert.rejects(inGroups([1, 2], 1, work), /broken/);
});
