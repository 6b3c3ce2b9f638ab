// A fault report that root makes of another user's folder contains nothing that this user planted there.
import assert from 'node:assert/strict';
import { chmod, chown, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { collectBundleFiles } from '../../agent/doctor/bundle-files.ts';
import type { Recording } from '../../agent/host/recording/recording.ts';
import { needsRoot, otherUser } from '../support/other-user.ts';
import { newFolder } from '../support/temporary.ts';
import { context } from './checks/context.ts';

/** Collects the files of a fault report on the data folder `data`, with the log file `log`. */
async function collect(data: string, log: string) {
  const files = new Map<string, string>();
  const omitted = new Map<string, string>();
  const made = context({
    data,
    roles: ['agent', 'requester'],
    settings: settings => ({ ...settings, log: { ...settings.log, file: log } }),
  });
  await collectBundleFiles({
    roles: ['agent', 'requester'],
    context: made,
    recording: () => Promise.reject<Recording>(new Error('not asked')),
    onFile: ({ name, text }) => files.set(name, text),
    onOmitted: ({ what, why }) => omitted.set(what, why),
  });
  return { files, omitted, all: [...files.values()].join('\n') };
}

test('links at the configuration, the log and the folders lead to nothing', needsRoot, async () => {
  const data = await newFolder();
  await chmod(dirname(data), 0o755);
  const secrets = await newFolder();
  const secret = join(secrets, 'shadow-of-root');
  await writeFile(secret, 'root:$6$hash:\n', { mode: 0o600 });
  await mkdir(join(data, 'broker'));
  await symlink(secret, join(data, 'broker', 'nats.conf'));
  await symlink(secret, join(data, 'log.txt'));
  await symlink(secrets, join(data, 'agent'));
  for (const folder of [data, join(data, 'broker')]) await chown(folder, otherUser, otherUser);
  const { files, omitted, all } = await collect(data, join(data, 'log.txt'));
  assert.doesNotMatch(all, /hash/);
  assert.match(omitted.get('nats.conf') ?? '', /broker\/nats\.conf: a symbolic link, which is not followed$/);
  assert.match(omitted.get('log.txt') ?? '', /a symbolic link, which is not followed$/);
  assert.doesNotMatch(all, /shadow-of-root/);
  assert.match(files.get('files.txt') ?? '', /\/agent: a symbolic link, which is not followed$/m);
});

test('of a configuration of the broker only the known lines are taken', async () => {
  const data = await newFolder();
  await mkdir(join(data, 'broker'));
  await writeFile(
    join(data, 'broker', 'nats.conf'),
    'port: 4222\nauthorization { token: "abcdefgh" }\nsecret stuff\njetstream {\n  store_dir: "/s"\n}\n',
  );
  const { files } = await collect(data, join(data, 'none'));
  assert.equal(
    files.get('nats.conf'),
    'port: 4222\nauthorization { token: <redacted>\n# a line that muster did not write is left out\njetstream {\n  store_dir: "/s"\n}\n',
  );
});
