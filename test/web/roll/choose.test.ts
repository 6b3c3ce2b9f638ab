// The address chooses the nodes of the list as a selection of the command line does, and a search by any text of a node.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFiltering, listCommand, readChoice } from '../../../agent/web/roll/choice.ts';
import { chooser, labelsOf } from '../../../agent/web/roll/choose.ts';
import { rollRow } from '../../support/roll-rows.ts';

const now = 100_000;
const rows = [
  rollRow('gpu-1', {
    host: 'Ada.example',
    labels: [
      { key: 'rack', value: 'b7', from: 'operator', by: 'ada' },
      { key: 'cores', value: '64', from: 'node', by: '' },
    ],
    gpus: [{ index: 0, name: 'NVIDIA A100', vendor: 'NVIDIA', memoryMib: 81_920 }],
    heardAt: now - 1000,
  }),
  rollRow('gpu-2', {
    approval: 'PENDING',
    status: 'UNKNOWN',
    conditions: [{ type: 'GpuMissing', reason: '', since: null }],
    notes: [{ what: 'cordoned', text: 'cordoned: disk swap', since: null }],
    heardAt: now - 60_000,
  }),
  rollRow('gpu-3', { approval: 'REJECTED', status: 'UNHEALTHY', heardAt: null }),
];

/** Returns the ids that the query of an address chooses. */
function chosen(query: string): string[] {
  const chooses = chooser(readChoice(new URLSearchParams(query)), now);
  return rows.filter(chooses).map(({ id }) => id);
}

describe('the address', () => {
  const choices: [query: string, ids: string[]][] = [
    ['', ['gpu-1', 'gpu-2', 'gpu-3']],
    ['search=ADA', ['gpu-1']],
    ['search=rack%3Db7 a100', ['gpu-1']],
    ['search=disk+swap', ['gpu-2']],
    ['search=nothing', []],
    ['filter-approval=pending,REJECTED', ['gpu-2', 'gpu-3']],
    ['filter-status=HEALTHY', ['gpu-1']],
    ['filter-status=disconnected', ['gpu-2', 'gpu-3']],
    ['condition=gpumissing', ['gpu-2']],
    ['silent-for=30s', ['gpu-2']],
    ['labels=rack in (b7,b8),cores>8', ['gpu-1']],
    ['labels=!rack', ['gpu-2', 'gpu-3']],
    ['labels=!rack&filter-status=UNKNOWN', ['gpu-2']],
  ];
  for (const [query, ids] of choices)
    it(`chooses by "${query}"`, () => {
      assert.deepEqual(chosen(query), ids);
    });

  it('chooses nothing while it cannot be read, and says why', () => {
    for (const query of ['labels=a in b', 'silent-for=soon']) {
      assert.deepEqual(chosen(query), []);
      assert.equal(readChoice(new URLSearchParams(query)).faults.length, 1);
    }
  });

  it('is the same as a command', () => {
    const query = new URLSearchParams('labels=zone in (eu,us)&filter-status=unhealthy&search=a&group=rack');
    assert.equal(listCommand(query), "muster node list --labels='zone in (eu,us)' --filter-status=unhealthy");
    assert.equal(isFiltering(query), true);
    assert.equal(isFiltering(new URLSearchParams('sort=heard&group=rack')), false);
  });

  it('has an order that it knows', () => {
    assert.equal(readChoice(new URLSearchParams('sort=available_gpu&reverse=true')).order, 'available_gpu');
    assert.equal(readChoice(new URLSearchParams('sort=constructor')).order, 'id');
  });
});

describe('a search', () => {
  it('follows a node that changes, although its labels stay the same', () => {
    const [row] = rows;
    assert.ok(row);
    const chooses = chooser(readChoice(new URLSearchParams('search=moved')), now);
    assert.equal(chooses(row), false);
    assert.equal(chooses({ ...row, host: 'moved' }), true);
    assert.equal(chooses({ ...row, address: '10.9.9.9 moved' }), true);
    assert.equal(chooses(row), false);
  });
});

describe('labels', () => {
  it('may have any key', () => {
    const labels = [{ key: '__proto__', value: 'x', from: 'node' as const, by: '' }];
    assert.deepEqual(Object.entries(labelsOf(rollRow('n', { labels }))), [['__proto__', 'x']]);
  });
});
