// Root does not follow what another user planted, and refuses to use what another user may change.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmod,
  chown,
  cp,
  link,
  mkdir,
  mkdtemp,
  realpath,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { encodeSeed } from '../../agent/protocol/nkey.ts';
import { findProgram } from '../support/find-program.ts';
import { needsRoot, otherUser } from '../support/other-user.ts';
import { muster } from '../support/program.ts';

describe('root', needsRoot, () => {
  let root: string;
  let secret: string;

  before(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), 'muster-planted-')));
    await chmod(root, 0o755);
    secret = join(root, 'shadow');
    await writeFile(secret, 'root:$6$a-hash-of-root:20000::::::\n', { mode: 0o640 });
  });

  after(() => rm(root, { recursive: true, force: true }));

  /** Makes a folder of the other user with the folders of a requester. */
  async function dataFolder(name: string): Promise<string> {
    const data = join(root, name);
    for (const folder of [data, join(data, 'requester'), join(data, 'broker')]) {
      await mkdir(folder, { mode: 0o755 });
      await chown(folder, otherUser, otherUser);
    }
    return data;
  }

  it('archives no file that a link or a hard link in the place of nats.conf leads to', async () => {
    const data = await dataFolder('attacked');
    const planted = join(data, 'broker', 'nats.conf');
    for (const [name, plant] of [
      ['link', symlink],
      ['hard-link', link],
    ] as const) {
      await plant(secret, planted);
      const archive = join(root, `${name}.tar.gz`);
      const { stdout } = await muster([
        'doctor',
        '--role',
        'requester',
        '--data-dir',
        data,
        '--bundle',
        archive,
      ]);
      assert.match(stdout, /nats\.conf +.*a (symbolic|hard) link, which is not followed/);
      const { stdout: content } = await promisify(execFile)('tar', ['-xzOf', archive]);
      assert.match(content, /"Version"/);
      assert.doesNotMatch(content, /a-hash-of-root/);
      await rm(planted);
    }
  });

  it('leaves the mode of the file that a linked key leads to', async () => {
    const data = join(root, 'linked');
    await mkdir(join(data, 'requester'), { recursive: true, mode: 0o700 });
    const key = join(root, 'key');
    await writeFile(key, `${encodeSeed(randomBytes(32), 'account')}\n`);
    await chmod(key, 0o644);
    for (const plant of [symlink, link]) {
      await plant(key, join(data, 'requester', 'issuer.nk'));
      const { code, stderr } = await muster([
        'requester',
        '--data-dir',
        data,
        '--broker-port',
        '0',
        '--api-port',
        '0',
      ]);
      assert.equal(code, 1, stderr);
      assert.match(stderr, /issuer\.nk: a symbolic link, which is not followed|the file has 2 names/);
      assert.equal((await stat(key)).mode & 0o777, 0o644);
      await rm(join(data, 'requester', 'issuer.nk'));
    }
  });

  it('refuses a configuration that somebody else may change, and config check and doctor say so', async () => {
    const config = join(root, 'muster.yaml');
    await writeFile(config, 'api: {port: 0}\nbroker: {port: 0}\n', { mode: 0o644 });
    const commands = [['requester'], ['config', 'check'], ['doctor', '--role', 'requester']];
    const refusals = async (reason: RegExp) => {
      for (const command of commands) {
        const { code, stdout, stderr } = await muster([
          ...command,
          '--config',
          config,
          '--data-dir',
          join(root, 'own'),
        ]);
        assert.equal(code, 78, command.join(' '));
        assert.match(stdout + stderr, reason);
      }
    };
    await chown(config, otherUser, otherUser);
    await refusals(
      /muster\.yaml: root does not use it, because \S+ belongs to user 65534; chown root \S+muster\.yaml/,
    );
    await chown(config, 0, 0);
    await chmod(config, 0o646);
    await refusals(/may be written by every user \(mode 0646\); chmod go-w \S+muster\.yaml/);
    await chmod(config, 0o644);
    const { code, stdout } = await muster(['config', 'check', '--config', config]);
    assert.deepEqual([code, stdout], [0, `Ok: ${config}\n`]);
  });

  it('runs no role in a folder, and no broker, that somebody else may change', async () => {
    const data = await dataFolder('foreign');
    const run = (...more: string[]) =>
      muster(['requester', '--broker-port', '0', '--api-port', '0', ...more]);
    const foreign = await run('--data-dir', data);
    assert.equal(foreign.code, 78, foreign.stderr);
    assert.match(
      foreign.stderr,
      /root does not run the requester in \S+, because \S+foreign belongs to user 65534/,
    );
    assert.match(foreign.stderr, /Hint: +run it as user 65534, or choose another folder/);
    const below = await run('--data-dir', join(data, 'new'));
    assert.equal(below.code, 78, below.stderr);
    await assert.rejects(stat(join(data, 'new')), { code: 'ENOENT' });

    const folder = join(root, 'bin');
    await mkdir(folder);
    const binary = join(folder, 'nats-server');
    await cp(await findProgram('nats-server'), binary);
    await chmod(folder, 0o777);
    const config = join(root, 'binary.yaml');
    await writeFile(config, `broker: {binary: ${binary}, port: 0}\napi: {port: 0}\n`, { mode: 0o600 });
    const own = ['--config', config, '--data-dir', join(root, 'mine')];
    const reason =
      /binary\.yaml:1: broker\.binary: root does not run \S+nats-server, because \S+bin may be written by every user/;
    for (const command of [['requester'], ['config', 'check']]) {
      const { code, stderr } = await muster([...command, ...own]);
      assert.equal(code, 78, stderr);
      assert.match(stderr, reason);
    }
    const doctor = await muster(['doctor', '--role', 'requester', ...own]);
    assert.match(doctor.stdout, /failed +\S*binary\.yaml:1: broker\.binary: root does not run/);
    const agent = await muster(['config', 'check', '--role', 'agent', ...own]);
    assert.equal(agent.code, 0, agent.stderr);
  });

  it('only warns another user, and does not warn about a file of their own', async () => {
    const data = await dataFolder('users');
    const config = join(data, 'muster.yaml');
    await writeFile(config, 'api: {port: 0}\n');
    await chown(config, otherUser, otherUser);
    const nobody = { uid: otherUser, gid: otherUser, env: { HOME: '/nonexistent' }, cwd: '/' };
    const check = () => muster(['config', 'check', config], nobody);
    assert.deepEqual(await check(), { code: 0, signal: null, stdout: `Ok: ${config}\n`, stderr: '' });
    await chmod(config, 0o666);
    const warned = await check();
    assert.equal(warned.code, 0);
    assert.match(
      warned.stderr,
      /others may change it: \S+ may be written by every user \(mode 0666\); chmod go-w/,
    );
  });
});
