// Tests how the next CA takes the place of the present one: whatever the moment of a crash, the requester has one of the two.
import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  makeNextAuthority,
  readAuthorityPins,
  removeFormerAuthority,
  removeNextAuthority,
  switchSteps,
  useNextAuthority,
} from '../../../agent/broker/tls/next-authority.ts';
import { certificateFiles, loadServerCertificate } from '../../../agent/broker/tls/server-certificate.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { verifyStrictly } from '../../support/certificates.ts';
import { newFolder } from '../../support/temporary.ts';

const load = (folder: string) =>
  loadServerCertificate(folder, ['localhost'], {
    now: () => new Date('2026-11-28T08:00:00Z'),
    log: silentLog,
  });

async function begin() {
  const folder = await newFolder();
  const { pin: present = '' } = await load(folder);
  const next = await makeNextAuthority(folder, silentLog);
  return { folder, present, next };
}

test('the next CA stands beside the present one, and is made once', async () => {
  const { folder, present, next } = await begin();
  assert.equal(await makeNextAuthority(folder, silentLog), next);
  assert.deepEqual(await readAuthorityPins(folder), { present, next, former: undefined });
  assert.equal((await load(folder)).pin, present);
  await removeNextAuthority(folder);
  assert.deepEqual(await readAuthorityPins(folder), { present, next: undefined, former: undefined });
});

test('after a crash at any step, the next start finishes the change, and the former CA is kept', async () => {
  const { length } = await (async () => {
    const { folder, next } = await begin();
    return switchSteps(folder, next);
  })();
  assert.ok(length >= 6);
  for (let done = 0; done <= length; done++) {
    const { folder, present, next } = await begin();
    for (const step of (await switchSteps(folder, next)).slice(0, done)) await step();
    // The next start is cut short too, one step later.
    for (const step of (await switchSteps(folder, next)).slice(0, 1)) await step();
    assert.equal(await useNextAuthority(folder, next, silentLog), true, `cut after ${done} steps`);
    assert.deepEqual(await readAuthorityPins(folder), { present: next, next: undefined, former: present });
    const { pin } = await load(folder);
    assert.equal(pin, next);
    const files = certificateFiles(folder);
    await verifyStrictly(files.ca, files.cert, { name: 'localhost' });
    assert.deepEqual(
      (await readdir(folder)).filter(name => name.startsWith('next-')),
      [],
    );
    await removeFormerAuthority(folder);
    assert.equal((await readAuthorityPins(folder)).former, undefined);
  }
});

test('without the next CA the present one stays', async () => {
  const { folder, present, next } = await begin();
  await rm(join(folder, 'next-ca.key'));
  assert.equal(await useNextAuthority(folder, next, silentLog), false);
  assert.equal((await load(folder)).pin, present);
});

test('a file that holds no certificate is named, and nothing is changed', async () => {
  const { folder, next } = await begin();
  const path = join(folder, 'next-ca.pem');
  await writeFile(path, 'nonsense');
  const before = await readFile(certificateFiles(folder).ca);
  await assert.rejects(useNextAuthority(folder, next, silentLog), {
    code: 'bad_state',
    message: /next-ca\.pem/,
  });
  assert.deepEqual(await readFile(certificateFiles(folder).ca), before);
});
