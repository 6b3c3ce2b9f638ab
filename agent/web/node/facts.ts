// Says who a node is, fact by fact, and where each fact comes from: what a node says of itself is proved by nobody.
import type { RollRow } from '../../protocol/roll-rows.ts';
import { sizeText } from '../../protocol/unit-text.ts';

export interface Fact {
  readonly label: string;
  readonly value: string;
  /** Where it comes from, such as `the node says so`. */
  readonly from: string;
  /** A time in milliseconds since 1970, of which the reader is told how long ago it is. */
  readonly at?: number;
}

const said = 'the node says so';
const noted = 'noted by the requester';

/** Returns the facts that are known of a node. Every value is a text as it came, which may be anything. */
export function factsOf(row: RollRow): Fact[] {
  const { machine, capacity } = row;
  const facts: Fact[] = [
    { label: 'Host', value: row.host, from: said },
    { label: 'Address', value: row.address, from: said },
    fingerprintFact(row),
    { label: 'Join code', value: row.joinCode, from: 'checked when it came in' },
    { label: 'Registered', value: timeOf(row.registeredAt), from: noted, ...at(row.registeredAt) },
    { label: 'Last heard', value: timeOf(row.heardAt), from: noted, ...at(row.heardAt) },
    ...decisionFacts(row),
    { label: 'System', value: words(machine.os, machine.kernel, machine.arch), from: said },
    { label: 'Processor', value: countOf(machine.cpus, machine.cpuModel), from: said },
    { label: 'Memory', value: bytes(machine.memory), from: said },
    { label: 'Disk', value: bytes(machine.disk), from: said },
    ...gpuFacts(row),
    { label: 'GPU driver', value: machine.gpuDriver, from: said },
    { label: 'Virtualisation', value: machine.virtualisation, from: said },
    { label: 'Offers', value: offerOf(capacity), from: 'set on the node' },
    { label: 'Runs', value: workOf(row), from: said },
    { label: 'Program', value: row.version, from: said },
    { label: 'Protocol', value: row.protocol, from: noted },
  ];
  return facts.filter(({ value }) => value !== '');
}

function fingerprintFact({ fingerprint, unverified, type }: RollRow): Fact {
  if (fingerprint) return { label: 'Fingerprint', value: fingerprint, from: 'proved at each connection' };
  const value = unverified && type === 'Compute' ? 'none' : '';
  return { label: 'Fingerprint', value, from: 'nobody checks a key of it' };
}

function decisionFacts({ approval, decision, type }: RollRow): Fact[] {
  if (type === 'Requester') return [];
  if (!decision?.actor) return [{ label: 'Approval', value: approval, from: noted }];
  const value = words(approval, decision.reason && `(${decision.reason})`);
  return [{ label: 'Approval', value, from: `decided by ${decision.actor}`, ...at(decision.at) }];
}

/** Returns a fact for each kind of GPU, with their number. */
function gpuFacts({ gpus }: RollRow): Fact[] {
  const kinds = Map.groupBy(gpus, ({ name, vendor, memoryMib }) =>
    words(vendor, name, memoryMib > 0 && `(${sizeText(memoryMib * 1024 * 1024)})`),
  );
  return [...kinds].map(([kind, all]) => ({ label: 'GPU', value: countOf(all.length, kind), from: said }));
}

function workOf({ running, waiting }: RollRow): string {
  if (running === null) return '';
  return waiting ? `${running}, and ${waiting} more wait` : String(running);
}

function offerOf({ cpu, memory, disk, gpu }: RollRow['capacity']): string {
  const parts = [
    cpu > 0 && `${trimmed(cpu)} CPU`,
    memory > 0 && `${sizeText(memory)} memory`,
    disk > 0 && `${sizeText(disk)} disk`,
    gpu > 0 && `${trimmed(gpu)} GPU`,
  ];
  return parts.filter(Boolean).join(', ');
}

const countOf = (count: number | null, what: string): string => {
  if (count === null) return what;
  return what ? `${count} × ${what}` : String(count);
};
const trimmed = (value: number): string => String(Math.round(value * 10) / 10);
const words = (...parts: (string | false)[]): string => parts.filter(Boolean).join(' ');
const bytes = (size: number | null): string => (size === null ? '' : sizeText(size));
const at = (time: number | null) => (time === null ? {} : { at: time });
const timeOf = (time: number | null): string =>
  time === null ? '' : `${new Date(time).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
