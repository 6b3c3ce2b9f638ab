// Tries what is refused in the settings about a NATS with an operator.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Settings } from '../../agent/config/settings.ts';
import { findConflicts } from '../../agent/config/settings-conflicts.ts';
import { encodePublicKey } from '../../agent/protocol/nkey.ts';
import { defaultSettings } from '../support/default-settings.ts';

const key = (seed: number) => encodePublicKey(new Uint8Array(32).fill(seed), 'account');
const all = { muster: key(1), listen: key(2), listenLive: key(3) };

test('keys of all accounts that are needed fit together, and so does none', () => {
  assert.deepEqual(faultsOf({}), []);
  assert.deepEqual(faultsOf(all), []);
  assert.deepEqual(faultsOf({ ...all, unverified: key(4) }, { unverifiedNodes: true }), []);
});

test('what is missing, wrong, doubled or set beside another login is a fault that names the setting', () => {
  const faults: [accounts: Accounts, rest: Rest, expected: RegExp][] = [
    [{ muster: key(1), listen: key(2) }, {}, /^nats.accounts.muster set without nats.accounts.listenLive;/],
    [{ unverified: key(1) }, {}, /^nats.accounts.unverified set without nats.accounts.muster;/],
    [all, { unverifiedNodes: true }, /^requester.unverifiedNodes needs nats.accounts.unverified /],
    [{ ...all, listen: `A${'B'.repeat(55)}` }, {}, /^nats.accounts.listen is not the key of an account/],
    [{ ...all, listen: key(1) }, {}, /^nats.accounts.listen is also the key of another account/],
    [all, { credsFile: '/creds' }, /^nats.accounts.muster set together with nats.credsFile;/],
  ];
  for (const [accounts, rest, expected] of faults) {
    const found = faultsOf(accounts, rest);
    assert.equal(found.length, 1, found.join());
    assert.match(found[0] ?? '', expected);
  }
});

type Accounts = Partial<Settings['nats']['accounts']>;
type Rest = { unverifiedNodes?: boolean; credsFile?: string };

function faultsOf(accounts: Accounts, { unverifiedNodes = false, credsFile }: Rest = {}): string[] {
  const { nats, requester, ...rest } = defaultSettings();
  const settings = {
    ...rest,
    nats: { ...nats, credsFile, accounts: { ...nats.accounts, ...accounts } },
    requester: { ...requester, unverifiedNodes },
  };
  return findConflicts(settings).map(({ keys, text }) => `${keys[0]} ${text}`);
}
