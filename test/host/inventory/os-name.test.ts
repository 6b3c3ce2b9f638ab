// Tests how the operating system's name is read from os-release(5) and from macOS's own file.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOsName } from '../../../agent/host/inventory/os-name.ts';

const files = (content: Record<string, string>) => async (path: string) => content[path];

test('quotes and escapes of os-release are removed', async () => {
  const text = `NAME="Debian GNU/Linux"\nVERSION_ID='12'\nPRETTY_NAME="Debian \\"bookworm\\" \\$12"\nID=debian\n`;
  assert.deepEqual(await readOsName(files({ '/etc/os-release': text })), {
    pretty: 'Debian "bookworm" $12',
    distro: 'Debian GNU/Linux',
    release: '12',
  });
});

test('/usr/lib/os-release is read when /etc has none, and NAME replaces a missing PRETTY_NAME', async () => {
  const name = await readOsName(files({ '/usr/lib/os-release': 'NAME=Alpine\n' }));
  assert.deepEqual(name, { pretty: 'Alpine', distro: 'Alpine', release: undefined });
});

test('a hostile os-release is made short and harmless', async () => {
  const name = await readOsName(
    files({ '/etc/os-release': `PRETTY_NAME="\u001b]0;x\u0007${'A'.repeat(9000)}"\n` }),
  );
  assert.equal(name.pretty?.length, 128);
  assert.match(name.pretty ?? '', /^\]0;x A+$/);
});

test('the name of macOS comes from SystemVersion.plist', async () => {
  const plist = `<plist><dict>
    <key>ProductName</key>\n<string>macOS</string>
    <key>ProductVersion</key>\n<string>15.2</string></dict></plist>`;
  assert.deepEqual(await readOsName(files({ '/System/Library/CoreServices/SystemVersion.plist': plist })), {
    pretty: 'macOS 15.2',
    distro: 'macOS',
    release: '15.2',
  });
});

test('without any of the files the name is unknown', async () => {
  assert.deepEqual(await readOsName(files({})), {});
});
