// How long a message of the page stays: twelve seconds, but not while somebody is at the messages, and a fault until it is closed.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { announce, closeNotice, keepWhile, notices } from '../../../agent/web/shell/announce.ts';

describe('a message of the page', () => {
  let isSomebodyThere: boolean;
  const texts = () => notices.value.map(({ text }) => text);
  const say = (text: string, isFault = false) => announce({ text, isFault, more: [] });

  beforeEach(() => {
    isSomebodyThere = false;
    notices.value = [];
    mock.timers.enable({ apis: ['setTimeout'] });
    keepWhile(() => isSomebodyThere);
  });
  afterEach(() => mock.timers.reset());

  it('goes by itself, and a fault stays until it is closed', () => {
    say('m-1 deleted');
    say('m-2 not deleted', true);
    mock.timers.tick(11_999);
    assert.deepEqual(texts(), ['m-1 deleted', 'm-2 not deleted']);
    mock.timers.tick(1);
    assert.deepEqual(texts(), ['m-2 not deleted']);
    mock.timers.tick(3_600_000);
    assert.deepEqual(texts(), ['m-2 not deleted']);
    closeNotice(notices.value[0]?.key ?? 0);
    assert.deepEqual(texts(), []);
  });

  it('stays while somebody is at the messages, and goes soon after', () => {
    say('m-1 deleted');
    isSomebodyThere = true;
    mock.timers.tick(60_000);
    assert.deepEqual(texts(), ['m-1 deleted']);
    isSomebodyThere = false;
    mock.timers.tick(2_000);
    assert.deepEqual(texts(), []);
  });
});
