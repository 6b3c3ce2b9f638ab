// Tests which of its addresses a machine shows to others, and why.
import assert from 'node:assert/strict';
import type { NetworkInterfaceInfo } from 'node:os';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { chooseAddress } from '../../agent/host/address.ts';
import { nodeInfoSchema } from '../../agent/protocol/node-info.ts';
import { validate } from '../../agent/protocol/schema.ts';
import type { Interfaces } from '../../agent/system/virtual-networks.ts';
import { computeInfo } from '../requester/samples.ts';

const on = (...addresses: string[]): NetworkInterfaceInfo[] =>
  addresses.map(address => ({ address, internal: false }) as NetworkInterfaceInfo);
const loopback = [{ address: '127.0.0.1', internal: true }] as NetworkInterfaceInfo[];
const machine: Interfaces = {
  lo: loopback,
  docker0: on('172.17.0.1'),
  eth0: on('fe80::1%eth0', '2001:db8::7', '10.0.0.7'),
  eth1: on('192.168.1.4'),
  odd: on('169.254.9.9'),
};
const choose = (local?: string, wanted?: string, interfaces = machine, brokerHosts: string[] = []) =>
  chooseAddress({ wanted, local, brokerHosts, interfaces });
const ipOf = (...args: Parameters<typeof choose>) => choose(...args).ip;

describe('without node.address', () => {
  test('it is the address from which the broker is reached', () => {
    assert.deepEqual(choose('192.168.1.4'), {
      ip: '192.168.1.4',
      why: 'the broker is reached from it, by eth1',
    });
    assert.equal(ipOf('2001:db8::7'), '2001:db8::7');
    assert.equal(ipOf('::ffff:10.0.0.7'), '10.0.0.7');
  });

  test('it is the loopback only when the broker names no other address', () => {
    assert.equal(ipOf('127.0.0.1', undefined, machine, ['127.0.0.1']), '127.0.0.1');
    assert.equal(ipOf('127.0.0.1'), '127.0.0.1');
    assert.equal(ipOf('127.0.0.1', undefined, machine, ['127.0.0.1', '10.0.0.7']), '10.0.0.7');
    assert.equal(ipOf('::1', undefined, machine, ['broker.example']), '10.0.0.7');
  });

  test('it is neither that of the network of own containers nor a link-local one', () => {
    for (const local of ['172.17.0.1', '169.254.9.9', 'fe80::1%eth0', undefined])
      assert.equal(ipOf(local), '10.0.0.7', `from ${local}`);
    assert.match(choose('172.17.0.1').why, /first one, of eth0.*from 172\.17\.0\.1.*192\.168\.1\.4 of eth1/);
  });

  test('a link-local one is better than none, if others can use it', () => {
    assert.equal(ipOf('169.254.9.9', undefined, { odd: on('fe80::1', '169.254.9.9') }), '169.254.9.9');
    assert.equal(ipOf('fe80::1', undefined, { eth0: on('fe80::1') }), undefined);
    assert.equal(ipOf(undefined, undefined, { lo: loopback, docker0: on('172.17.0.1') }), undefined);
    assert.match(choose(undefined, undefined, {}).why, /no address that other machines can use/);
  });
});

describe('with node.address', () => {
  test('an address is taken as it is, also one that no interface has', () => {
    assert.deepEqual(choose('10.0.0.7', '203.0.113.9'), { ip: '203.0.113.9', why: 'node.address says so' });
  });

  test('an address that no machine has is none', () => {
    assert.deepEqual(choose('10.0.0.7', '0.0.0.0'), {
      ip: undefined,
      why: 'node.address: no machine has the address 0.0.0.0',
    });
  });

  test('a network and an interface choose among the addresses of this machine', () => {
    assert.equal(ipOf('10.0.0.7', '192.168.0.0/16'), '192.168.1.4');
    assert.equal(ipOf('10.0.0.7', '2001:db8::/32'), '2001:db8::7');
    assert.equal(ipOf('10.0.0.7', 'eth1'), '192.168.1.4');
    assert.equal(ipOf('192.168.1.4', 'eth0'), '10.0.0.7');
    assert.equal(ipOf('2001:db8::7', 'eth0'), '2001:db8::7');
    assert.equal(ipOf(undefined, 'docker0'), '172.17.0.1');
    assert.equal(ipOf(undefined, 'odd'), '169.254.9.9');
  });

  test('without a match there is none, so that no other network learns an address by mistake', () => {
    assert.deepEqual(choose('10.0.0.7', '198.51.100.0/24'), {
      ip: undefined,
      why: 'node.address: no interface has an address in 198.51.100.0/24',
    });
    assert.deepEqual(choose('10.0.0.7', 'wg0'), { ip: undefined, why: 'node.address: wg0 has no address' });
  });
});

test('whatever is chosen, a requester takes it', () => {
  const ip = fc.oneof(fc.ipV4(), fc.ipV6());
  const name = fc.constantFrom('lo', 'eth0', 'docker0', 'wg0', 'br-1');
  const interfaces = fc.dictionary(
    name,
    fc.array(ip, { maxLength: 3 }).map(list => on(...list)),
  );
  const wanted = fc.option(fc.oneof(name, fc.constant('10.0.0.0/8')), { nil: undefined });
  fc.assert(
    fc.property(interfaces, fc.option(ip, { nil: undefined }), wanted, (given, local, wish) => {
      const { ip: chosen, why } = choose(local, wish, given);
      if (chosen === undefined) return;
      const Info = { ...computeInfo('node-1'), Address: { IP: chosen, Why: why } };
      assert.equal(validate(nodeInfoSchema, Info).Address?.IP, chosen);
    }),
  );
});

test('a requester refuses what is no address of a machine', () => {
  for (const IP of ['', 'host', '0.0.0.0', '::', '224.0.0.1', 'ff02::1', 'fe80::1%eth0', '255.255.255.255'])
    assert.throws(
      () => validate(nodeInfoSchema, { ...computeInfo('node-1'), Address: { IP } }),
      /not the IP address of a machine/,
      IP,
    );
});
