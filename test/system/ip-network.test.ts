// A network contains exactly the addresses whose first bits are its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseIpNetwork } from '../../agent/system/ip-network.ts';

test('a network contains its addresses, of IPv4 and of IPv6', () => {
  const rows: [network: string, inside: string[], outside: string[]][] = [
    ['10.0.0.0/8', ['10.0.0.0', '10.255.255.255', '::ffff:10.1.2.3'], ['11.0.0.0', '9.255.255.255', '::1']],
    ['192.168.4.7/32', ['192.168.4.7'], ['192.168.4.6', '192.168.4.8']],
    ['192.168.4.7/24', ['192.168.4.0', '192.168.4.255'], ['192.168.5.0']],
    ['0.0.0.0/0', ['0.0.0.0', '255.255.255.255', '1.2.3.4'], ['fd00::1']],
    ['fd00:1::/32', ['fd00:1::', 'fd00:1:ffff::1', 'FD00:1::1'], ['fd00:2::', '10.0.0.1']],
    ['fe80::/10', ['fe80::1%eth0', 'febf::1'], ['fec0::1']],
    ['::/0', ['::', 'ffff::1'], []],
  ];
  for (const [text, inside, outside] of rows) {
    const network = parseIpNetwork(text);
    assert.equal(network?.text, text);
    for (const address of inside) assert.equal(network?.contains(address), true, `${address} in ${text}`);
    for (const address of outside) assert.equal(network?.contains(address), false, `${address} in ${text}`);
    for (const bad of ['', 'host', '10.0.0', '10.0.0.1/8', '10.0.0.256'])
      assert.equal(network?.contains(bad), false, bad);
  }
});

test('any other text is no network', () => {
  const texts = [
    '',
    '10.0.0.0',
    '/8',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0/8',
    'fd00::/129',
    'fd00::',
    'head/8',
  ];
  for (const text of [
    ...texts,
    '10.0.0.0/8 ',
    '10.0.0.0/-1',
    '010.0.0.0/8',
    'fe80::1%eth0/64',
    '1'.repeat(9_999),
  ])
    assert.equal(parseIpNetwork(text), undefined, text.slice(0, 40));
});

test('an address of IPv4 is in a network exactly when its first bits are the same', () => {
  const address = fc.ipV4();
  const number = (text: string) => text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  fc.assert(
    fc.property(address, address, fc.integer({ min: 0, max: 32 }), (base, other, bits) => {
      const shift = BigInt(32 - bits);
      const isInside = number(base) >> shift === number(other) >> shift;
      assert.equal(parseIpNetwork(`${base}/${bits}`)?.contains(other), isInside);
    }),
  );
});
