// Notes of the changes that are no decisions about nodes that they are under way, and which were refused.
import type { JoinCodeDesk } from '../enrolment/join-code-desk.ts';
import type { ListenerDesk } from '../listeners/listener-desk.ts';
import type { OperationNotes } from '../operations/operation-notes.ts';
import type { Operators } from '../operators/operators.ts';
import type { Directory } from './directory.ts';

/** Returns the same functions about operators, whose changes are noted. */
export const notedOperators = (operators: Operators, notes: OperationNotes): Directory['operators'] => ({
  check: text => operators.check(text),
  prove: (...question) => operators.prove(...question),
  list: () => operators.list(),
  create(wanted, act) {
    const about = { what: `operator ${wanted.name}`, action: 'create' };
    return notes.during(act.operation, about, () => operators.create(wanted, act));
  },
  revoke(name, act) {
    const about = { what: `operator ${name}`, action: 'revoke' };
    return notes.during(act.operation, about, () => operators.revoke(name, act));
  },
});

/** Returns the same desk, whose changes are noted. */
export const notedListeners = (desk: ListenerDesk, notes: OperationNotes): ListenerDesk => ({
  list: () => desk.list(),
  create(order, act) {
    const about = { what: `listener ${order.name}`, action: 'create' };
    return notes.during(act.operation, about, () => desk.create(order, act));
  },
  revoke(name, act) {
    const about = { what: `listener ${name}`, action: 'revoke' };
    return notes.during(act.operation, about, () => desk.revoke(name, act));
  },
});

/** Returns the same desk, whose changes are noted. */
export const notedJoinCodes = (desk: JoinCodeDesk, notes: OperationNotes): JoinCodeDesk => ({
  list: () => desk.list(),
  create(order, act) {
    const about = { what: 'a join code', action: 'create' };
    return notes.during(act.operation, about, () => desk.create(order, act));
  },
  revoke(id, act) {
    const about = { what: `join code ${id}`, action: 'revoke' };
    return notes.during(act.operation, about, () => desk.revoke(id, act));
  },
});

/** Returns the same functions about CAs, whose changes are noted. */
export const notedAuthorities = (
  authorities: Directory['authorities'],
  notes: OperationNotes,
): Directory['authorities'] => ({
  view: () => authorities.view(),
  certificates: () => authorities.certificates(),
  rotate(isForced, act) {
    const about = { what: 'the CA', action: 'replace' };
    return notes.during(act.operation, about, () => authorities.rotate(isForced, act));
  },
  forget(pin, act) {
    const about = { what: `CA ${pin}`, action: 'forget' };
    return notes.during(act.operation, about, () => authorities.forget(pin, act));
  },
});
