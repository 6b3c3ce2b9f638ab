// Reads the records of a whole fleet at a start. The machines of a fleet are of a few kinds, so most of a record was in an earlier
// one already: it is compared with the text of that, and only the rest is parsed and checked.
import { isAscii } from 'node:buffer';
import type * as v from 'valibot';
import { ProtocolError } from '../../protocol/error.ts';
import { maxMessageBytes, parseJsonText } from '../../protocol/json.ts';
import { ownInfoSchema } from '../../protocol/node-info.ts';
import { type MusterState, musterStateSchema, type NodeState } from '../../protocol/node-state.ts';
import { struct } from '../../protocol/schema.ts';
import { usualReader } from '../../protocol/usual-form.ts';

const ownPartsSchema = struct({ Info: ownInfoSchema, Muster: musterStateSchema });
/** What is different in each record. */
type OwnParts = v.InferOutput<typeof ownPartsSchema>;
const readOwnParts = usualReader(ownPartsSchema);

/** How many records are tried as the first of a kind, and how many texts are remembered. What else comes is read in the plain way. */
const maxKinds = 1_024;
/** How many kinds with the same machine are compared with a record, one after the other. */
const maxOfMachine = 32;

/** What all records of a kind have alike: the texts between their own parts, as `JSON.stringify` writes them. */
interface Kind {
  toCapacity: string;
  toJob: string;
  toHostname: string;
  /** Undefined when these records have no address. */
  toAddress: string | undefined;
  toEnd: string;
  /** An earlier record of the kind. */
  first: NodeState;
}

export class UsualRecords {
  /** The kinds with the same machine, by the text that says what it is. */
  readonly #kinds = new Map<string, Kind[]>();
  readonly #texts = new Map<string, string>();
  #tried = 0;

  /**
   * Returns what the schema makes of the bytes of a record, with the parts of an earlier record where they are the same;
   * undefined for any other record, also for one that is wrong.
   */
  read(value: Uint8Array): NodeState | undefined {
    const text = textOf(value);
    if (text === undefined) return undefined;
    for (const kind of this.#kinds.get(machineIn(text)) ?? []) {
      const own = ownText(text, kind);
      if (own !== undefined) return this.#complete(own, kind);
    }
    return undefined;
  }

  /** Remembers a record that `read` did not know, for others of its kind. The parts of `state` will be in those, too. */
  learn(value: Uint8Array, state: NodeState): void {
    const { SupportedProtocols, Host, Agent, Hostname } = state.Info;
    if (!SupportedProtocols || !Host || !Agent || Hostname === undefined || !state.Muster) return;
    if (this.#tried++ >= maxKinds) return;
    const text = textOf(value);
    const kind = text !== undefined && kindOf(text, state);
    if (!kind) return;
    const machine = machineIn(text);
    const known = this.#kinds.get(machine) ?? [];
    if (known.length >= maxOfMachine) return;
    // The text is a part of a longer one, which would stay in memory.
    if (known.length === 0) this.#kinds.set(Buffer.from(machine, 'latin1').toString('latin1'), known);
    known.push(kind);
  }

  #complete(own: string, kind: Kind): NodeState | undefined {
    const parts = readParts(own, kind);
    if (!parts) return undefined;
    this.#shareTexts(parts.Muster);
    return join(parts, kind.first);
  }

  #shareTexts(muster: MusterState): void {
    if (muster.Version !== undefined) muster.Version = this.#shareText(muster.Version);
    if (muster.Store !== undefined) muster.Store = this.#shareText(muster.Store);
    // A node that registered once has the same time twice.
    if (muster.FirstRegisteredAt !== undefined && muster.FirstRegisteredAt === muster.RegisteredAt)
      muster.FirstRegisteredAt = muster.RegisteredAt;
  }

  #shareText(text: string): string {
    const shared = this.#texts.get(text);
    if (shared === undefined && this.#texts.size < maxKinds) this.#texts.set(text, text);
    return shared ?? text;
  }
}

/** Returns the text of a record; undefined when it is not of ASCII. */
function textOf(value: Uint8Array): string | undefined {
  if (value.length > maxMessageBytes || !isAscii(value)) return undefined;
  const bytes = Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.length);
  return bytes.toString('latin1');
}

/** Returns the text that says what the machine of a record is. It only finds the kinds that are compared, so it may be any. */
function machineIn(text: string): string {
  const start = text.indexOf(toHost);
  return start < 0 ? '' : text.slice(start, text.indexOf('}', start));
}

/** The members before which a record's own parts end. */
const [toProtocols, toQueue, toHost, toAgent] = [
  ',"SupportedProtocols":',
  ',"QueueCapacity":',
  ',"Host":',
  ',"Agent":',
];
/** The names of the own parts behind the labels, which find them. */
const ownNames = ['MaxCapacity', 'Hostname', 'Address', 'Muster'] as const;
const toMuster = ',"Muster":';

/** Stands for one of the own parts while a kind is made. No text that has a kind contains this character. */
const mark = '\u0001';

/** Returns the kind of a record; undefined when it is not written with the same bytes, such as one with a member of a later version. */
function kindOf(text: string, state: NodeState): Kind | undefined {
  if (text.includes('\\')) return undefined;
  const own = { NodeID: mark, NodeType: mark, Labels: mark, MaxCapacity: mark, Hostname: mark };
  const hasAddress = state.Info.Address !== undefined;
  const marks = { Info: hasAddress ? { ...own, Address: mark } : own, Muster: mark };
  const written = JSON.stringify(join(marks as unknown as OwnParts, state));
  // Before the labels are the id and the type, and behind the last own part is the end.
  const [toCapacity, toJob, toHostname, next, last] = written.split(JSON.stringify(mark)).slice(3, -1);
  const end = hasAddress ? last : next;
  if (toCapacity === undefined || toJob === undefined || toHostname === undefined || end === undefined)
    return undefined;
  const toAddress = hasAddress ? next : undefined;
  const kind: Kind = { toCapacity, toJob, toHostname, toAddress, toEnd: end, first: state };
  const parts = readParts(ownText(text, kind), kind);
  return parts && JSON.stringify(join(parts, state)) === text ? kind : undefined;
}

/** Returns the own parts of a record as JSON, if all the rest of it is what its kind has; undefined for another record. */
function ownText(text: string, kind: Kind): string | undefined {
  const labelsEnd = text.indexOf(toProtocols);
  const capacity = behind(text, labelsEnd, kind.toCapacity);
  if (capacity < 0) return undefined;
  const capacityEnd = text.indexOf(toQueue, capacity);
  const most = text.slice(capacity, capacityEnd);
  const jobEnd = behind(text, behind(text, capacityEnd, kind.toJob), most);
  const hostname = behind(text, jobEnd, kind.toHostname);
  if (hostname < 0) return undefined;
  const hostnameEnd = text.indexOf(toHost, hostname);
  let own = `${text.slice(0, labelsEnd)},"MaxCapacity":${most},"Hostname":${text.slice(hostname, hostnameEnd)}`;
  let addressEnd = hostnameEnd;
  if (kind.toAddress !== undefined) {
    const address = behind(text, hostnameEnd, kind.toAddress);
    if (address < 0) return undefined;
    addressEnd = text.indexOf(toAgent, address);
    own += `,"Address":${text.slice(address, addressEnd)}`;
  }
  const muster = behind(text, addressEnd, kind.toEnd);
  // What is behind this name must be the record's own, so it is the first one.
  const infoEnd = own.length + 1;
  own += `}${toMuster}${text.slice(muster)}`;
  return muster >= 0 && own.indexOf(toMuster) === infoEnd ? own : undefined;
}

/** Returns where a piece ends that stands at a place of a text; -1 when it does not, and when the place is -1. */
const behind = (text: string, at: number, piece: string): number =>
  at >= 0 && text.slice(at, at + piece.length) === piece ? at + piece.length : -1;

/**
 * Returns the own parts in what `ownText` returned; undefined when their schemas would change anything of them, or they are written
 * in another way. Otherwise the whole record would be written with the same bytes, so it is the same record: before the muster
 * only one member has the name of each own part, so the text behind that name is this part and nothing else.
 */
function readParts(own: string | undefined, { toAddress }: Kind): OwnParts | undefined {
  if (own === undefined) return undefined;
  let parsed: unknown;
  try {
    parsed = parseJsonText(own);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
  if (readOwnParts(parsed, config) !== parsed) return undefined;
  const parts = parsed as OwnParts;
  const { Labels, Hostname, Address } = parts.Info;
  if (Hostname === undefined || (Address !== undefined) !== (toAddress !== undefined)) return undefined;
  // Only labels have names that anybody may choose.
  if (Labels && ownNames.some(name => name in Labels)) return undefined;
  return JSON.stringify(parts) === own ? parts : undefined;
}

const config = { abortEarly: true };

// The members are in the order in which a record is written.
function join({ Info, Muster }: OwnParts, alike: NodeState): NodeState {
  const { SupportedProtocols, BacalhauVersion, Host, Agent } = alike.Info;
  const { NodeID, NodeType, Labels, MaxCapacity, Hostname, Address } = Info;
  const known = alike.Info.ComputeNodeInfo;
  const ComputeNodeInfo = {
    ExecutionEngines: known.ExecutionEngines,
    Publishers: known.Publishers,
    StorageSources: known.StorageSources,
    MaxCapacity,
    QueueCapacity: known.QueueCapacity,
    AvailableCapacity: known.AvailableCapacity,
    MaxJobRequirements: MaxCapacity,
    RunningExecutions: known.RunningExecutions,
    EnqueuedExecutions: known.EnqueuedExecutions,
    address: known.address,
  };
  // One literal for each form takes less memory than an object that grows.
  const whole = Address
    ? {
        NodeID,
        NodeType,
        Labels,
        SupportedProtocols,
        ComputeNodeInfo,
        BacalhauVersion,
        Hostname,
        Host,
        Address,
        Agent,
      }
    : {
        NodeID,
        NodeType,
        Labels,
        SupportedProtocols,
        ComputeNodeInfo,
        BacalhauVersion,
        Hostname,
        Host,
        Agent,
      };
  const { Membership, Connection, ConnectionState } = alike;
  return { Info: whole, Membership, Connection, ConnectionState, Muster };
}
