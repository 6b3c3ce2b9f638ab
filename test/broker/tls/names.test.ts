// Tests which names stand in the requester's certificate, and which addresses nodes are told.
import assert from 'node:assert/strict';
import type { NetworkInterfaceInfo } from 'node:os';
import { test } from 'node:test';
import { addressBytes, plainAddress } from '../../../agent/broker/tls/address-bytes.ts';
import { advertisedAddresses, certificateNames } from '../../../agent/broker/tls/names.ts';

const one = (address: string, internal = false) => ({ address, internal }) as NetworkInterfaceInfo;
const machine = {
  hostname: 'Head-1.example.com',
  interfaces: {
    lo: [one('127.0.0.1', true), one('::1', true)],
    eth0: [one('fe80::1'), one('2001:DB8:0:0::7'), one('10.1.2.3')],
    docker0: [one('172.17.0.1')],
  },
};
const local = ['localhost', '127.0.0.1', '::1'];

test('a certificate is for the host name and all addresses of the machine, or for what broker.advertise says', () => {
  const hosts = ['0.0.0.0', '127.0.0.1'];
  assert.deepEqual(certificateNames({ advertise: [], hosts }, machine), [
    ...local,
    'head-1.example.com',
    '10.1.2.3',
    '172.17.0.1',
    '2001:db8::7',
  ]);
  const advertise = ['Broker.example:4333', '[2001:db8::9]:4222', '192.0.2.1', '2001:db8::a'];
  assert.deepEqual(certificateNames({ advertise, hosts: ['10.1.2.3', '::'] }, machine), [
    ...local,
    '10.1.2.3',
    'broker.example',
    '2001:db8::9',
    '192.0.2.1',
    '2001:db8::a',
  ]);
});

test('a host name that no certificate can bear is left out, and a certificate has at most 100 names', () => {
  const interfaces = { eth0: Array.from({ length: 200 }, (_, index) => one(`10.0.0.${index}`)) };
  const names = certificateNames({ advertise: [], hosts: [] }, { hostname: 'two words', interfaces });
  assert.equal(names.length, 100);
  assert.deepEqual(names.slice(0, 4), [...local, '10.0.0.0']);
});

test('nodes are told the addresses that other machines may reach', () => {
  const port = 4222;
  assert.deepEqual(advertisedAddresses([], { host: '0.0.0.0', port }, machine), [
    'head-1.example.com:4222',
    '10.1.2.3:4222',
  ]);
  assert.deepEqual(advertisedAddresses([], { host: '::', port }, machine), [
    'head-1.example.com:4222',
    '10.1.2.3:4222',
    '[2001:db8::7]:4222',
  ]);
  assert.deepEqual(advertisedAddresses([], { host: '127.0.0.1', port }, machine), ['127.0.0.1:4222']);
  assert.deepEqual(
    advertisedAddresses(
      ['b.example', 'B.example:4222', '[2001:db8::9]:5000'],
      { host: '0.0.0.0', port },
      machine,
    ),
    ['b.example:4222', '[2001:db8::9]:5000'],
  );
});

test('an IPv6 address has one text and 16 bytes', () => {
  assert.equal(plainAddress('2001:DB8:0:0:0:0:0:1'), '2001:db8::1');
  assert.equal(plainAddress('fe80::1%eth0'), 'fe80::1');
  assert.equal(addressBytes('::1').toString('hex'), `${'0'.repeat(31)}1`);
  assert.equal(
    addressBytes('2001:db8::ffff:a').toString('hex'),
    '20010db800000000000000000ffff000a'.replace('0ffff', 'ffff'),
  );
  assert.deepEqual([...addressBytes('10.0.0.255')], [10, 0, 0, 255]);
});
