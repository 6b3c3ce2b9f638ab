// Checks how findings are shown: aligned, safe for a terminal, and the same as JSON.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failed, ok, warning } from '../../agent/doctor/checks/check.ts';
import {
  renderHead,
  renderResult,
  renderSummary,
  resultsDocument,
  worstStatus,
} from '../../agent/doctor/render.ts';

test('each line has the status, the check and the finding, and below it what to do', () => {
  const result = {
    check: 'disk',
    findings: [ok('well'), warning('so so', 'free some'), failed('bad', 'free more')],
  };
  assert.equal(
    renderResult(result, 6, { colour: false }),
    [
      'ok       disk    well',
      'warning          so so',
      '                 free some',
      'failed           bad',
      '                 free more',
      '',
    ].join('\n'),
  );
  assert.equal(renderResult({ check: 'x', findings: [] }, 6, { colour: false }), '');
});

test('the head names the roles and the folder when they are known', () => {
  assert.match(
    renderHead({ roles: ['agent', 'requester'], data: '/d', checks: [] }),
    /^muster \S+, agent and requester, data in \/d\n$/,
  );
  assert.match(renderHead({ roles: [], checks: [] }), /^muster \d+\.\d+\.\d+\n$/);
});

test('only the status has a colour', () => {
  assert.match(
    renderResult({ check: 'x', findings: [failed('a', 'b')] }, 1, { colour: true }),
    /^\u001b\[31mfailed \u001b\[0m {2}x/,
  );
});

test('no finding can control a terminal', () => {
  const evil = '\u001b[2J\u202e\n\u009b1m';
  const said =
    renderHead({ roles: ['agent'], data: evil, checks: [] }) +
    renderResult({ check: 'x', findings: [warning(evil, evil)] }, 1, { colour: false });
  assert.match(said, /^[\x20-\x7e\n]+$/);
  assert.equal(said.split('\n').length, 4);
});

test('the summary counts failures and warnings, or says that all is well', () => {
  const sum = (...findings: ReturnType<typeof ok>[]) => renderSummary([{ check: 'x', findings }]).trim();
  assert.equal(sum(ok('')), 'all is well');
  assert.equal(sum(warning('', ''), warning('', ''), failed('', '')), '1 failed, 2 warnings');
  assert.equal(sum(warning('', '')), '1 warning');
});

test('the document has every finding, and the worst status of each check and of all', () => {
  const results = [
    { check: 'a', findings: [ok('well'), warning('so so', 'do')] },
    { check: 'b', findings: [] },
  ];
  const time = new Date('2026-11-24T08:00:00Z');
  const { muster, ...rest } = resultsDocument(
    { roles: ['agent'], data: '/d', checks: ['a', 'b'] },
    results,
    time,
  );
  assert.match(muster, /^\d/);
  assert.deepEqual(rest, {
    time: '2026-11-24T08:00:00.000Z',
    roles: ['agent'],
    dataFolder: '/d',
    status: 'warning',
    checks: [
      { check: 'a', status: 'warning', findings: results[0]?.findings },
      { check: 'b', status: 'ok', findings: [] },
    ],
  });
  assert.equal(worstStatus([ok(''), failed('', ''), warning('', '')]), 'failed');
});

test('on a terminal, lines are broken between words below the column in which they begin', () => {
  const finding = failed('the broker that is meant here is away', 'start it, or name another one');
  assert.equal(
    renderResult({ check: 'x', findings: [finding] }, 1, { colour: false, columns: 52 }),
    'failed   x  the broker that is meant here is away\n            start it, or name another one\n',
  );
  assert.equal(
    renderResult({ check: 'x', findings: [failed('the broker that is meant here is away again', 'b')] }, 1, {
      colour: false,
      columns: 52,
    }),
    'failed   x  the broker that is meant here is away\n            again\n            b\n',
  );
});
