// A service that logs in to its broker in another way gets no join code.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findCode } from '../../../../agent/cli/commands/service/find-code.ts';
import type { LoadedSettings } from '../../../../agent/config/load.ts';
import { defaultSettings } from '../../../support/default-settings.ts';
import { bareMachine } from './bare-machine.ts';

const flags = { join: true, 'code-file': undefined, 'dry-run': true };

test('a code is refused when the agent logs in with something else, as agent join refuses it', async () => {
  const { machine } = await bareMachine();
  const settings = defaultSettings();
  const load = (more: object) => async () =>
    ({ settings: { ...settings, nats: { ...settings.nats, ...more } } }) as LoadedSettings;
  for (const login of ['tokenFile', 'user', 'credsFile']) {
    await assert.rejects(findCode('agent', machine, flags, load({ [login]: '/run/login' })), {
      code: 'bad_config',
      message: `nats.${login} is set, and an agent that logs in with it uses no join code`,
    });
  }
  assert.equal(await findCode('agent', machine, flags, load({})), undefined);
});
