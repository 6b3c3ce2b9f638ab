// A roll of two requesters is restored from a backup by one of them: the other one takes the restored store for what it is. An
// old copy of the store that somebody puts back is still an older store at both.
import assert from 'node:assert/strict';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { muster } from '../support/program.ts';
import { TwoRequesters } from '../support/two-requesters.ts';

describe('a backup that one of two requesters restores', () => {
  let two: TwoRequesters;
  const both = () => [two.one, two.other];
  const file = () => join(two.cluster.folder, 'muster.backup');
  const store = () => join(two.server.folder, 'store');
  const copy = () => join(two.server.folder, 'copy');
  const config = () => ['--config', join(two.cluster.folder, 'node-0-requester.yaml')];

  before(async () => {
    two = await TwoRequesters.start();
    await two.join(['stays', 'stolen']);
  });
  after(() => two?.release());

  const stopBoth = () => Promise.all(both().map(({ program }) => program?.stop()));
  const startBoth = async () => {
    for (const each of both()) await each.start();
  };
  const troubles = async () =>
    Promise.all(both().map(async each => ((await each.status()).troubles ?? []).map(({ code }) => code)));
  const isOlder = (each: string[]) => each.join() === 'store_older';
  const codes = async (): Promise<string[]> => {
    const { stdout } = await two.cluster.command('join-code', 'list', '-o', 'json');
    return (JSON.parse(stdout) as { State: string }[]).map(({ State }) => State);
  };
  const restoredLines = (): number[] =>
    both().map(
      ({ program }) => (program?.stderr ?? '').split('\n').filter(line => /restored/.test(line)).length,
    );

  it('is made, and more is decided at both', async () => {
    assert.equal(await two.other.decide('stays', 'approve', 'known'), 200);
    const made = await muster(['backup', file(), ...config()]);
    assert.equal(made.code, 0, made.stderr);
    assert.equal(await two.one.decide('stays', 'reject', 'after the backup'), 200);
    const banned = await two.other.send('PUT', 'nodes/stolen', {
      body: { Action: 'delete', Ban: true, Message: 'stolen', Actor: 'a test' },
    });
    assert.equal(banned.status, 200, banned.text);
    // The restored store does not get as far as this one was by what its requesters write when they start.
    for (let number = 1; number <= 60; number++) {
      const body = { Name: `operator-${number}`, ReadOnly: true, Actor: 'a test' };
      const created = await two.other.send('POST', 'operators', { body });
      assert.equal(created.status, 200, created.text);
    }
    await stopBoth();
    await two.server.stop();
    await cp(store(), copy(), { recursive: true });
    await two.server.start();
  });

  it('is no older store at the other one, which says so once', async () => {
    const cluster = /"cluster":"([^"]+)"/.exec(two.one.program?.stderr ?? '')?.[1] ?? '';
    const done = await muster(['restore', file(), '--replace', cluster, ...config()]);
    assert.equal(done.code, 0, done.stderr);
    await startBoth();
    await eventually('both are well', async () => (await troubles()).flat().length === 0);
    assert.deepEqual(restoredLines(), [0, 1]);
    assert.deepEqual(await codes(), ['valid'], 'no join code is void');
    for (const each of both()) {
      assert.match((await each.stateOf('stays')) ?? '', /^APPROVED /);
      assert.equal(await each.stateOf('stolen'), undefined, 'what an older store must not undo');
    }
  });

  it('does not let an old copy of the store pass, although that was further', async () => {
    await stopBoth();
    await two.server.stop();
    await rm(store(), { recursive: true });
    await cp(copy(), store(), { recursive: true });
    await two.server.start();
    await startBoth();
    await eventually('both say that it is older', async () => (await troubles()).every(isOlder));
  });
});
