// A text is an IP address exactly when Node says so.
import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { ipVersion } from '../../agent/system/ip-version.ts';

test('every address, and every text that is almost one, is what Node says', () => {
  const group = fc.stringMatching(/^[0-9A-Fa-f]{0,5}$/);
  const piece = fc.oneof(
    group,
    fc.ipV4(),
    fc.constantFrom('', ':', '::', '%', '%eth0', '%a b', '0.0.0.0', '1.2.3.04'),
  );
  const almost = fc.array(piece, { maxLength: 9 }).map(pieces => pieces.join(':'));
  const zoned = fc.tuple(fc.ipV6(), fc.string({ maxLength: 6 })).map(([ip, zone]) => `${ip}%${zone}`);
  const changed = fc
    .tuple(
      fc.oneof(fc.ipV6(), fc.ipV4()),
      fc.nat(40),
      fc.constantFrom('', ':', '.', '0', 'g', ' ', '%', '\0', '\n'),
    )
    .map(([ip, at, letter]) => ip.slice(0, at) + letter + ip.slice(at + 1));
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), almost, zoned, changed, fc.string()), text => {
      assert.equal(ipVersion(text), isIP(text), JSON.stringify(text));
    }),
    { numRuns: 3000 },
  );
});

test('the forms of an IPv6 address, and texts that are none', () => {
  const addresses = [
    '::',
    '::1',
    '1::',
    '::ffff:10.0.0.1',
    '1:2:3:4:5:6:7:8',
    '1:2:3:4:5:6:1.2.3.4',
    'fe80::1%eth0',
    'FD00::A',
  ];
  for (const text of addresses) assert.equal(ipVersion(text), 6, text);
  const others = [
    '',
    ':',
    ':::',
    '1::2::3',
    '::1%',
    '::1\0',
    '::1\n',
    '::g',
    '::1.2.3.256',
    '::1.2.3.04',
    '1:2:3:4:5:6:7:8:9',
    '12345::',
  ];
  for (const text of others) assert.equal(ipVersion(text), 0, JSON.stringify(text));
});
