// The plan of a campaign is the same for the same seed, and forgets no attack.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AttackName, attacks, planRounds, type Round } from './plan.ts';

const all = Object.keys(attacks) as AttackName[];

function firstRounds(seed: number, count: number): Round[] {
  const rounds = planRounds(seed, all);
  return Array.from({ length: count }, () => rounds.next().value);
}

describe('the plan of a campaign', () => {
  it('is the same for the same seed, and another one for another seed', () => {
    assert.deepEqual(firstRounds(5, 60), firstRounds(5, 60));
    assert.notDeepEqual(firstRounds(5, 60), firstRounds(6, 60));
  });

  it('carries out each attack once before any comes again', () => {
    const names = firstRounds(7, 100).flatMap(round => round.attacks.map(attack => attack.name));
    for (let turn = 0; turn < 3; turn++) {
      const ones = names.slice(turn * all.length, (turn + 1) * all.length);
      assert.deepEqual(ones.sort(), [...all].sort());
    }
  });

  it('runs nothing beside an attack that needs the cluster for itself', () => {
    for (const round of firstRounds(8, 200)) {
      const groups = round.attacks.map(({ name }) => attacks[name].group);
      assert.equal(new Set(groups).size, groups.length, groups.join());
      if (groups.includes('alone')) assert.equal(groups.length, 1);
    }
  });
});
