// Tests the folders of the state: who chooses them, and that no two roles share one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  dataFolder,
  devFolder,
  roleFolder,
  runtimeFolder,
  searchedFolders,
} from '../../agent/config/paths.ts';
import { MusterError } from '../../agent/system/errors.ts';
import { surroundings } from './surroundings.ts';

const machine = { config: '/etc/muster', data: '/var/lib/muster', cache: '/var/cache/muster' };
const user = async () => ({ config: '/home/me/c', data: '/home/me/d', cache: '/home/me/k' });
const none = { dataDir: undefined };

test('the data folder is that of dataDir, the service manager, the machine for root, or the user, in this order', async () => {
  const named = surroundings({ STATE_DIRECTORY: '/state:/other' }, { machine, user });
  assert.equal(await dataFolder({ dataDir: '/mine' }, named), '/mine');
  assert.equal(await dataFolder(none, named), '/state');
  assert.equal(await dataFolder(none, surroundings({}, { machine, user, root: true })), '/var/lib/muster');
  assert.equal(await dataFolder(none, surroundings({}, { machine, user })), '/home/me/d');
});

test('without any folder the error says what to set', async () => {
  await assert.rejects(
    dataFolder(none, surroundings()),
    new MusterError(
      'bad_config',
      'no folder for data: dataDir is not set, and this user has no home folder',
      {
        hint: 'set dataDir in the configuration file, or MUSTER_DATA_DIR',
      },
    ),
  );
});

test('each role has a folder of its own with its socket', () => {
  assert.equal(roleFolder('/data', 'agent'), '/data/agent');
  assert.equal(runtimeFolder('/data', 'agent'), '/data/agent');
  assert.equal(runtimeFolder('/data', 'requester'), '/data/requester');
});

test("a command looks for a role in the user's folder, and then in the machine's", async () => {
  const someone = surroundings({}, { machine, user });
  assert.deepEqual(await searchedFolders(none, someone), ['/home/me/d', '/var/lib/muster']);
  assert.deepEqual(await searchedFolders({ dataDir: '/mine' }, someone), ['/mine']);
  assert.deepEqual(await searchedFolders(none, surroundings({}, { machine, user, root: true })), [
    '/var/lib/muster',
  ]);
});

test('muster dev keeps its state in .tools of a checkout, unless another data folder was chosen', async () => {
  const checkout = surroundings({}, { machine, user, checkout: '/src/muster' });
  assert.equal(await devFolder(none, checkout), '/src/muster/.tools/dev');
  assert.equal(await devFolder({ dataDir: '/mine' }, checkout), '/mine/dev');
  const service = surroundings({ STATE_DIRECTORY: '/state' }, { machine, user, checkout: '/src/muster' });
  assert.equal(await devFolder(none, service), '/state/dev');
  assert.equal(await devFolder(none, surroundings({}, { machine, user })), '/home/me/d/dev');
  assert.equal(await devFolder(none, surroundings({}, { machine, user, root: true })), '/var/lib/muster/dev');
});

test('a program that runs from a checkout also searches there, and only for what muster dev keeps', async () => {
  const checkout = surroundings({}, { machine, user, checkout: '/src/muster' });
  assert.deepEqual(await searchedFolders(none, checkout), [
    '/src/muster/.tools',
    '/home/me/d',
    '/var/lib/muster',
  ]);
  assert.deepEqual(await searchedFolders({ dataDir: '/mine' }, checkout), ['/mine']);
  assert.equal(await dataFolder(none, checkout), '/home/me/d');
});
