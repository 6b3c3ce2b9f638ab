// Tries what `muster broker config` refuses: routes that would not make the cluster that was meant.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { newFolder } from '../../../support/temporary.ts';
import { muster } from '../../program.ts';

/** Runs the command with a data folder of its own: it makes the keys of the requester, which must not stand in the machine's. */
const config = async (t: TestContext, ...args: string[]) =>
  muster(t, ['broker', 'config', ...args], { env: { MUSTER_DATA_DIR: await newFolder() } });

test('a server that --routes names twice is refused, because another one is then missing', async t => {
  const { code, stdout, stderr } = await config(t, '--routes', 'n1:6222,n2:6222,n1:6222');
  assert.deepEqual([code, stdout], [64, '']);
  assert.match(stderr, /--routes: n1:6222 is there twice\nHint: {2}name each server of the cluster once/);
});

test('the script for an operator has public keys only, the same each time, and no routes', async t => {
  const first = await config(t, '--operator-mode');
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stdout, /^#!\/bin\/sh\n/);
  assert.doesNotMatch(first.stdout, /\bS[UAX][A-Z2-7]{20}|MUSTER_UNVERIFIED/);
  assert.match(
    first.stdout,
    /^share SYS MUSTER '\$SYS\.REQ\.SERVER\.\*\.KICK' '\$SYS\.REQ\.SERVER\.\*\.KICK' --service$/m,
  );
  const { code, stderr } = await config(t, '--operator-mode', '--routes', 'n1:6222');
  assert.equal(code, 64);
  assert.match(stderr, /--routes cannot be given with --operator-mode/);
});

test('the script names another system account, further requesters, and the account of nodes without a key', async t => {
  const other = 'UCFIRY65OQE7DFP5KLNS2PF2LVZMUZYJX4OZIEQ36N2IQANUB5XVZ45L';
  const { stdout, stderr } = await config(
    t,
    '--operator-mode',
    '--system-account',
    'ADMIN',
    '--requester-unverified-nodes',
    '--broker-requesters',
    other,
  );
  assert.notEqual(stdout, '', stderr);
  assert.doesNotMatch(stdout, /\bSYS /);
  assert.match(stdout, new RegExp(`^nsc edit authcallout .* --auth-user ${other} `, 'm'));
  assert.match(stdout, /^hear ADMIN DISCONNECT$/m);
  assert.match(stdout, /^account MUSTER_UNVERIFIED --conns 16384 /m);
  assert.match(
    stdout,
    /^share MUSTER_UNVERIFIED MUSTER 'bacalhau\.global\.compute\.\*\.out\.heartbeat' 'unverified\.bacalhau\./m,
  );
});

test('the configuration names the version that its requesters need, and lets a server that stands still be noticed', async t => {
  const other = 'UCFIRY65OQE7DFP5KLNS2PF2LVZMUZYJX4OZIEQ36N2IQANUB5XVZ45L';
  const routes = ['--routes', 'n1:6222,n2:6222,n3:6222'];
  const alone = await config(t, ...routes);
  assert.match(alone.stdout, /^# For nats-server 2\.11 or newer/);
  assert.match(alone.stdout, /^cluster \{[^}]*\n {2}ping_interval: "2s"\n {2}ping_max: 2\n/m);
  const several = await config(t, ...routes, '--broker-requesters', other);
  assert.match(several.stdout, /^# For nats-server 2\.12 or newer/);
  assert.match(several.stderr, /in nats-server 2\.12 or newer/);
  const script = await config(t, '--operator-mode', '--broker-requesters', other);
  assert.match(script.stdout, /^# For nats-server 2\.12 or newer/m);
});
