// The operating system's name, from os-release(5) or macOS's own file.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { osName } from '../../../agent/host/inventory/os-name.ts';

const files = (content: Record<string, string>) => async (path: string) => content[path];

test('os-release: quotes and escapes are taken off', async () => {
  const text = `NAME="Debian GNU/Linux"\nVERSION_ID='12'\nPRETTY_NAME="Debian \\"bookworm\\" \\$12"\nID=debian\n`;
  assert.deepEqual(await osName(files({ '/etc/os-release': text })), {
    pretty: 'Debian "bookworm" $12',
    distro: 'Debian GNU/Linux',
    release: '12',
  });
});

test('the copy in /usr/lib serves when /etc has none, and NAME where there is no pretty name', async () => {
  const name = await osName(files({ '/usr/lib/os-release': 'NAME=Alpine\n' }));
  assert.deepEqual(name, { pretty: 'Alpine', distro: 'Alpine', release: undefined });
});

test('a hostile os-release does not reach anyone unescaped', async () => {
  const name = await osName(
    files({ '/etc/os-release': `PRETTY_NAME="\u001b]0;x\u0007${'A'.repeat(9000)}"\n` }),
  );
  assert.equal(name.pretty?.length, 128);
  assert.match(name.pretty ?? '', /^\]0;x A+$/);
});

test('macOS', async () => {
  const plist = `<plist><dict>
    <key>ProductName</key>\n<string>macOS</string>
    <key>ProductVersion</key>\n<string>15.2</string></dict></plist>`;
  assert.deepEqual(await osName(files({ '/System/Library/CoreServices/SystemVersion.plist': plist })), {
    pretty: 'macOS 15.2',
    distro: 'macOS',
    release: '15.2',
  });
});

test('neither file: the name stays unknown', async () => {
  assert.deepEqual(await osName(files({})), {});
});
