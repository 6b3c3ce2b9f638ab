// Who may change what a path leads to is found on the whole path, up to the root folder, and through links.
import assert from 'node:assert/strict';
import { chmod, chown, lchown, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import {
  describeWriter,
  findOtherWriter,
  trustOfThisProcess,
  writerRemedy,
} from '../../agent/system/path-trust.ts';
import { needsRoot, otherUser } from '../support/other-user.ts';

const made: string[] = [];
after(() => Promise.all(made.map(folder => rm(folder, { recursive: true, force: true }))));

/** Makes a folder with a folder and a file in it that only this user may write. */
async function privateFile() {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'muster-trust-')));
  made.push(root);
  const folder = join(root, 'folder');
  await mkdir(folder, { mode: 0o755 });
  const file = join(folder, 'file');
  await writeFile(file, '', { mode: 0o644 });
  /** Returns who may change `path`, and the remedy. */
  const found = async (path = file) => {
    const writer = await findOtherWriter(path);
    if (!writer) return undefined;
    const text = `${describeWriter(writer)}; ${writerRemedy(path, writer, '/etc/muster')}`;
    return text.replaceAll(root, '');
  };
  return { root, folder, file, found };
}

describe('somebody else may change a file', () => {
  test('by the mode of the file or of a folder above it, but not in a sticky folder', async () => {
    const { root, folder, file, found } = await privateFile();
    assert.equal(await found(), undefined);
    await chmod(file, 0o666);
    assert.equal(
      await found(),
      '/folder/file may be written by every user (mode 0666); chmod go-w /folder/file',
    );
    await chmod(file, 0o644);
    await chmod(root, 0o777);
    assert.equal(await found(), ' may be written by every user (mode 0777); chmod go-w ');
    await chmod(root, 0o1777);
    assert.equal(await found(), undefined);
    assert.equal(await found(join(folder, 'not', 'there')), undefined);
  });

  test('through a group, unless it is the private group of this user', needsRoot, async () => {
    const { file, found } = await privateFile();
    await chmod(file, 0o664);
    assert.equal(await found(), undefined);
    await chown(file, 0, 12_345);
    assert.match((await found()) ?? '', /may be written by group 12345 \(mode 0664\)/);
  });

  test(
    'as its owner, as the owner of a folder above it, and as the maker of a link in a sticky folder',
    needsRoot,
    async () => {
      const { root, folder, file, found } = await privateFile();
      await chown(file, otherUser, otherUser);
      assert.equal(await found(), '/folder/file belongs to user 65534; chown root /folder/file');
      assert.equal(await findOtherWriter(file, trustOfThisProcess([otherUser])), undefined);
      await chown(file, 0, 0);
      await chown(folder, otherUser, otherUser);
      const remedy =
        'move it to a folder that only root may write, such as /etc/muster, or: chown root /folder';
      assert.equal(await found(), `/folder belongs to user 65534; ${remedy}`);
      await chown(folder, 0, 0);
      const link = join(root, 'link');
      await symlink(file, link);
      await lchown(link, otherUser, otherUser);
      assert.equal(await found(link), undefined);
      await chmod(root, 0o1777);
      assert.match((await found(link)) ?? '', /^\/link is a link of user 65534; rm \/link$/);
    },
  );

  test('behind a link that only this user can make', async () => {
    const { root, file, found } = await privateFile();
    await symlink('folder/file', join(root, 'link'));
    assert.equal(await found(join(root, 'link')), undefined);
    await chmod(file, 0o666);
    assert.match((await found(join(root, 'link'))) ?? '', /^\/folder\/file may be written by every user/);
  });
});
