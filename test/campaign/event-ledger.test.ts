// The ledger of the campaign finds events that are lost, doubled, changed or out of order.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Membership } from '../../agent/protocol/node-state.ts';
import { EventLedger, forgedReason } from './event-ledger.ts';
import type { Operation } from './model.ts';

let number = 0;
const event = (kind: string, from: Membership | '', to: Membership | '', reason?: string, id?: string) =>
  Buffer.from(
    JSON.stringify({
      id: id ?? `node-1:${++number}`,
      subject: 'node-1',
      type: `org.muster.node.${kind}`,
      data: { previous: { membership: from }, current: { membership: to }, reason },
    }),
  );

const decision = (verb: 'approve' | 'reject', reason: string): Operation => ({
  node: 'node-1',
  verb,
  reason,
  outcome: 'done',
});

function ledgerOf(...events: Buffer[]): EventLedger {
  const ledger = new EventLedger('node-0');
  for (const each of events) ledger.add(each);
  return ledger;
}

const registered = event('registered', '', 'PENDING');
const approved = event('approved', 'PENDING', 'APPROVED', 'decision 1');
const rejected = event('rejected', 'APPROVED', 'REJECTED', 'decision 2');
const decisions = [decision('approve', 'decision 1'), decision('reject', 'decision 2')];

describe('the event ledger of the campaign', () => {
  it('finds nothing wrong with a whole history, and knows where it ends', () => {
    const ledger = ledgerOf(registered, approved, rejected);
    assert.deepEqual([ledger.faults, ledger.faultsOf('node-1', decisions)], [[], []]);
    assert.equal(ledger.membershipOf('node-1'), 'REJECTED');
  });

  it('finds a lost event by its decision and by the membership of the next event', () => {
    const ledger = ledgerOf(registered, rejected);
    assert.match(ledger.faults.join(), /node-1 was APPROVED, but the event before it said PENDING/);
    assert.match(ledger.faultsOf('node-1', decisions).join(), /the event of 'approve node-1' \(decision 1\)/);
  });

  it('finds two events with one id, and a decision with two events', () => {
    assert.match(ledgerOf(registered, registered).faults.join(), /two events have the id/);
    const again = event('approved', 'PENDING', 'APPROVED', 'decision 1');
    assert.match(ledgerOf(registered, approved, again).faults.join(), /decision 1 has two events/);
  });

  it('finds events in another order than the decisions', () => {
    const late = event('rejected', 'PENDING', 'REJECTED', 'decision 2');
    const early = event('approved', 'REJECTED', 'APPROVED', 'decision 1');
    assert.match(ledgerOf(registered, late, early).faultsOf('node-1', decisions).join(), /not in the order/);
  });

  it('finds a change of health that begins where the one before it did not end, or that is told again', () => {
    const health = (kind: string, from: string, to: string) => {
      const data = { previous: { health: from }, current: { health: to } };
      const id = `node-1:i:${++number}`;
      return Buffer.from(JSON.stringify({ id, subject: 'node-1', type: `org.muster.node.${kind}`, data }));
    };
    const heard = health('healthy', 'UNKNOWN', 'HEALTHY');
    const silent = health('unhealthy', 'HEALTHY', 'UNHEALTHY');
    assert.deepEqual(ledgerOf(heard, silent).faults, []);
    const again = health('unhealthy', 'HEALTHY', 'UNHEALTHY');
    assert.match(
      ledgerOf(heard, silent, again).faults.join(),
      /was HEALTHY, but the event before it said UNHEALTHY/,
    );
    const same = health('healthy', 'HEALTHY', 'HEALTHY');
    assert.match(ledgerOf(heard, same).faults.join(), /was HEALTHY already/);
  });

  it('counts forged and unreadable events, and believes none of them', () => {
    const ledger = ledgerOf(event('approved', '', 'APPROVED', forgedReason), Buffer.from('{'));
    assert.deepEqual(ledger.counts, { genuine: 0, forged: 1, unreadable: 1 });
    assert.equal(ledger.membershipOf('node-1'), undefined);
  });
});
