// Defines the live roll of the page: the events of `GET /api/v1/orchestrator/roll`, in their order, and the rows in them.
//
// The answer is a `text/event-stream`. First come one `roll`, some `nodes`, and `ready`. Then, at most once a second, what has
// changed: `state`, `nodes`, `figures`, `heard` and `gone`; and the new events of the event stream: `following` once they come,
// and then `events`. A comment comes when there is nothing else to say for a while. All texts are as the nodes sent them, so
// whoever shows them takes them for text and nothing else. All times are in milliseconds since 1970, by the requester's clock.
import type { Health, Membership } from './node-state.ts';
import type { LastingNote } from './note-text.ts';

/** The events, by their names. Each has one line of JSON as its data. */
export interface RollEvents {
  roll: RollHead;
  /** Rows that are new or have changed, each of them whole. */
  nodes: RollRow[];
  /** All rows have come once. */
  ready: RollReady;
  /** The state of the requester has changed. */
  state: RollState;
  /** Rows of which only the figures have changed: they replace the members of the same names. */
  figures: RollFigures[];
  /** When nodes were last heard, of those that were heard since. */
  heard: RollHeard;
  /** The ids of nodes that are not on the roll any more. */
  gone: string[];
  /**
   * From here on, each new event of the event stream comes in `events`. Those before are read at `/events`. It comes again when
   * events were left out, because they were too many or the stream could not be followed.
   */
  following: RollFollowing;
  /** New events as `/events` tells them, each with its `cursor`. Some may have come before, or be among those read there. */
  events: unknown[];
}

/** Says whom the page talks to, and what its reader may do. It is the first event of each answer. */
export interface RollHead extends RollState {
  /** The node id of the requester. */
  requester: string;
  clusterId: string;
  version: string;
  /** The operator whose token was shown; null where reads need none and none was shown. */
  operator: string | null;
  /** Whether this operator may change something. */
  mayDecide: boolean;
  /** When the token ends; null when it does not. */
  expiresAt: number | null;
  /** Number of the rows that follow. */
  nodes: number;
}

export interface RollReady {
  /** Number of the rows that have come. */
  nodes: number;
}

export interface RollFollowing {
  /** The present time. */
  at: number;
}

export interface RollState {
  /** The present time. */
  at: number;
  /** `ready`, `degraded` and the others of the requester's status. */
  state: string;
  /** Why the state is not `ready`; else empty. */
  reason: string;
}

export interface RollHeard {
  at: number;
  /** The time of the last sign of life, by node id. */
  nodes: Record<string, number>;
}

/** A node on the roll. Texts are empty, and other members null, where nothing is known. */
export interface RollRow extends RollFigures {
  type: 'Compute' | 'Requester';
  /** The name of the machine. */
  host: string;
  machine: RollMachine;
  approval: Membership;
  status: Health;
  /** What `muster node list` says in the column NOTE, the most important first. `noteText` returns the text of each. */
  notes: LastingNote[];
  conditions: { type: string; reason: string; since: number | null }[];
  /** All labels that count, sorted by key. */
  labels: RollLabel[];
  /** Whether operators allow that new work is given to the node. */
  schedulable: boolean;
  cordon: RollCordon | null;
  /** The last decision of an operator. */
  decision: RollDecision | null;
  /** What the node offers in all. */
  capacity: RollAmounts;
  gpus: RollGpu[];
  /** The last sign of life; null for a node that was never heard. */
  heardAt: number | null;
  /** Whether the node said that it stops. */
  left: boolean;
  /** Where the machine is found, as the node says. */
  address: string;
  fingerprint: string;
  /** The id of the join code with which the node came in. */
  joinCode: string;
  registeredAt: number | null;
  /** The version of muster or Bacalhau that the node runs. */
  version: string;
  /** The protocol that it speaks. */
  protocol: string;
  /** Two agents that want to be this node, the one that was refused last. */
  conflict: { at: number; agents: RollAgent[] } | null;
  /** Whether nobody checks a key of this node. */
  unverified: boolean;
  /** Whether it was deleted or forgotten before, and is back. */
  isBack: boolean;
  /** Whether it is the requester that watches over the roll. */
  watches: boolean;
}

/** The members of a row that change with each report of resources. */
export interface RollFigures {
  id: string;
  /** What is free of the capacity. It is nothing while the node is not heard. */
  available: RollAmounts;
  /** What the machine uses, as measured by the node. `cpu` is the number of busy CPUs. */
  used: (Omit<RollAmounts, 'gpu'> & { load: number }) | null;
  /** The use of the GPUs, in the order of `gpus`; null for one of which nothing is known. */
  gpuUse: (RollGpuUse | null)[];
  /** Number of executions that run and wait on the node. */
  running: number | null;
  waiting: number | null;
  /** When the figures came. */
  figuresAt: number | null;
}

/** Amounts of resources: CPUs, bytes of memory and disk, and GPUs. */
export interface RollAmounts {
  cpu: number;
  memory: number;
  disk: number;
  gpu: number;
}

export interface RollMachine {
  os: string;
  kernel: string;
  arch: string;
  cpuModel: string;
  /** Number of the machine's CPUs, and bytes of its memory and disk. */
  cpus: number | null;
  memory: number | null;
  disk: number | null;
  virtualisation: string;
  gpuDriver: string;
}

export interface RollGpu {
  index: number;
  name: string;
  vendor: string;
  /** Memory in MiB. */
  memoryMib: number;
}

/** Memory in MiB, utilisation in percent, temperature in degrees Celsius, power in watts. */
export interface RollGpuUse {
  memoryMib: number | null;
  utilisation: number | null;
  temperature: number | null;
  power: number | null;
}

export interface RollLabel {
  key: string;
  value: string;
  /** `node` for a label that the node sends itself. */
  from: 'node' | 'operator' | 'code';
  /** The name of the operator, or the id of the join code. */
  by: string;
}

export interface RollCordon {
  reason: string;
  actor: string;
  at: number;
  /** When it ends by itself. */
  until: number | null;
  /** Whether its work is awaited to end, or has ended; null when the node is only cordoned. */
  drain: 'draining' | 'drained' | null;
  deadline: number | null;
}

export interface RollDecision {
  action: string;
  reason: string;
  actor: string;
  at: number | null;
}

export interface RollAgent {
  host: string;
  instance: string;
  address: string;
  fingerprint: string;
}
