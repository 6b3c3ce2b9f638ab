// The model of the campaign allows every state that operations may have led to, and no other.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Model } from './model.ts';

function pendingNode(): Model {
  const model = new Model();
  model.add('node-1', false);
  model.end(model.begin('node-1', 'register'), 'done');
  return model;
}

const possible = (model: Model) => [...model.possible('node-1')].sort();

describe('the model of the campaign', () => {
  it('knows the state after operations that were acknowledged', () => {
    const model = pendingNode();
    assert.deepEqual(possible(model), ['PENDING']);
    model.end(model.begin('node-1', 'approve'), 'done');
    assert.deepEqual(possible(model), ['APPROVED']);
    model.end(model.begin('node-1', 'delete'), 'done');
    assert.deepEqual(possible(model), ['absent']);
  });

  it('allows the state before and after a decision without an answer, until the roll was seen', () => {
    const model = pendingNode();
    model.end(model.begin('node-1', 'approve'), 'unknown');
    assert.deepEqual(possible(model), ['APPROVED', 'PENDING']);
    model.settle('node-1', 'PENDING');
    assert.deepEqual(possible(model), ['PENDING']);
    assert.throws(() => model.settle('node-1', 'APPROVED'), /node-1 is APPROVED on the roll, .* PENDING/);
  });

  it('allows that a decision without an answer is carried out after a later one', () => {
    const model = pendingNode();
    model.end(model.begin('node-1', 'reject'), 'unknown');
    model.end(model.begin('node-1', 'approve'), 'done');
    assert.deepEqual(possible(model), ['APPROVED', 'REJECTED']);
  });

  it('learns from a conflict which of the possible states a node had', () => {
    const model = pendingNode();
    model.end(model.begin('node-1', 'approve'), 'unknown');
    model.settle('node-1', 'APPROVED');
    model.end(model.begin('node-1', 'approve'), 'conflict');
    assert.deepEqual(possible(model), ['APPROVED']);
  });

  it('refuses an outcome that no possible state allows', () => {
    const model = pendingNode();
    assert.throws(() => model.end(model.begin('node-1', 'approve'), 'conflict'), /cannot end as 'conflict'/);
    const other = pendingNode();
    assert.throws(() => other.end(other.begin('node-1', 'delete'), 'absent'), /the node was PENDING/);
  });

  it('allows an agent that was deleted to register again at any time', () => {
    const model = new Model();
    model.add('agent-1', true);
    model.settle('agent-1', 'PENDING');
    model.end(model.begin('agent-1', 'delete'), 'done');
    assert.deepEqual([...model.possible('agent-1')].sort(), ['PENDING', 'absent']);
  });
});
