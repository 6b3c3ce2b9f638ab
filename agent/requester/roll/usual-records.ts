// Reads the records of a whole fleet at a start. The machines of a fleet are of a few kinds, so most of a record was in an earlier
// one already: it is found by its text, and only the rest is parsed and checked.
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

export class UsualRecords {
  /** An earlier record of each kind, by the text of what all records of the kind have alike. */
  readonly #kinds = new Map<string, NodeState>();
  readonly #texts = new Map<string, string>();
  #tried = 0;

  /**
   * Returns what the schema makes of the bytes of a record, with the parts of an earlier record where they are the same;
   * undefined for any other record, also for one that is wrong.
   */
  read(value: Uint8Array): NodeState | undefined {
    const pieces = divide(value);
    const alike = pieces && this.#kinds.get(pieces.common);
    return alike && this.#complete(pieces, alike);
  }

  /** Remembers a record that `read` did not know, for others of its kind. The parts of `state` will be in those, too. */
  learn(value: Uint8Array, state: NodeState): void {
    const { SupportedProtocols, Host, Agent } = state.Info;
    if (!SupportedProtocols || !Host || !Agent || this.#tried++ >= maxKinds) return;
    const pieces = divide(value);
    if (!pieces || !this.#complete(pieces, state)) return;
    // The text is a part of a longer one, which would stay in memory.
    this.#kinds.set(Buffer.from(pieces.common, 'latin1').toString('latin1'), state);
  }

  #complete({ text, own }: Pieces, alike: NodeState): NodeState | undefined {
    const parts = readParts(own);
    if (!parts) return undefined;
    this.#shareTexts(parts.Muster);
    const state = join(parts, alike);
    // However the text was divided: a record that is written with the same bytes is the same record.
    return JSON.stringify(state) === text ? state : undefined;
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

interface Pieces {
  /** The whole record. */
  text: string;
  /** What all records of its kind have alike, and the rest, as JSON. */
  common: string;
  own: string;
}

/** The members at which the text of a record is divided, in their order: each begins what is common, or what is not. */
const [toCommon, toCapacity, toQueue, toJob, toRunning, toHostname, toHost, toAddress, toAgent, toMuster] = [
  'SupportedProtocols',
  'MaxCapacity',
  'QueueCapacity',
  'MaxJobRequirements',
  'RunningExecutions',
  'Hostname',
  'Host',
  'Address',
  'Agent',
  'Muster',
].map(name => `,"${name}":`) as [
  string,
  string,
  string,
  string,
  string,
  string,
  string,
  string,
  string,
  string,
];

function divide(value: Uint8Array): Pieces | undefined {
  if (value.length > maxMessageBytes || !isAscii(value)) return undefined;
  const text = Buffer.from(value.buffer, value.byteOffset, value.length).toString('latin1');
  const common = text.indexOf(toCommon);
  const capacity = text.indexOf(toCapacity, common);
  const queue = text.indexOf(toQueue, capacity);
  const job = text.indexOf(toJob, queue);
  const running = text.indexOf(toRunning, job);
  const hostname = text.indexOf(toHostname, running);
  const host = text.indexOf(toHost, hostname);
  const agent = text.indexOf(toAgent, host);
  const muster = text.indexOf(toMuster, agent);
  if (common < 0 || muster < agent || agent < host || host < hostname || hostname < running) return undefined;
  if (running < job || job < queue || queue < capacity || capacity < common) return undefined;
  const found = text.indexOf(toAddress, host);
  const address = found < 0 || found > agent ? agent : found;
  return {
    text,
    common:
      text.slice(common, capacity) +
      text.slice(queue, job) +
      text.slice(running, hostname) +
      text.slice(host, address) +
      text.slice(agent, muster),
    own: `${text.slice(0, common)}${text.slice(capacity, queue)}${text.slice(hostname, host)}${text.slice(address, agent)}}${text.slice(muster)}`,
  };
}

/** Returns the parts in a text; undefined when their schemas would change anything of them. */
function readParts(own: string): OwnParts | undefined {
  let parsed: unknown;
  try {
    parsed = parseJsonText(own);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
  if (readOwnParts(parsed, { abortEarly: true }) !== parsed) return undefined;
  const parts = parsed as OwnParts;
  return parts.Info.Hostname === undefined ? undefined : parts;
}

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
