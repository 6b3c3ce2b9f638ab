// Shares equal parts of many nodes' records, so that each part is in memory only once.

import type { NodeState } from '../../protocol/node-state.ts';
import type { Resources } from '../../protocol/resources.ts';
import { unknownOf } from '../../protocol/unknown-members.ts';

/** Number of different parts that are remembered. A cluster with more kinds of machines shares less. */
const maxParts = 4_096;

export class CommonParts {
  readonly #parts = new Map<string, unknown>();
  readonly #texts = new Map<string, unknown>();

  /** Returns an equal record that shares parts with earlier records, and within itself. */
  share(state: NodeState): NodeState {
    const Info = this.#withShared(state.Info, ['SupportedProtocols', 'BacalhauVersion', 'Host', 'Agent']);
    Info.ComputeNodeInfo = this.#withShared(Info.ComputeNodeInfo, [
      'ExecutionEngines',
      'Publishers',
      'StorageSources',
    ]);
    const { MaxCapacity: most, MaxJobRequirements: ofJob } = Info.ComputeNodeInfo;
    if (areSame(most, ofJob)) Info.ComputeNodeInfo.MaxJobRequirements = most;
    const shared = this.#withShared(state, ['Connection', 'ConnectionState']);
    shared.Info = Info;
    if (!state.Muster) return shared;
    const Muster = this.#withShared(state.Muster, ['Store', 'Version']);
    // A node that registered once has the same time twice.
    if (Muster.FirstRegisteredAt !== undefined && Muster.FirstRegisteredAt === Muster.RegisteredAt)
      Muster.FirstRegisteredAt = Muster.RegisteredAt;
    shared.Muster = Muster;
    return shared;
  }

  #withShared<T extends object>(whole: T, names: (keyof T)[]): T {
    const shared = { ...whole };
    for (const name of names) if (shared[name]) shared[name] = this.#sharedPart(shared[name]);
    return shared;
  }

  #sharedPart<T>(part: T): T {
    if (typeof part === 'string') return this.#earlier(this.#texts, part, part);
    const unknown = typeof part === 'object' && part !== null ? unknownOf(part) : undefined;
    return this.#earlier(this.#parts, JSON.stringify(unknown ? [part, unknown] : part), part);
  }

  #earlier<T>(parts: Map<string, unknown>, text: string, part: T): T {
    const earlier = parts.get(text);
    if (earlier) return earlier as T;
    // Nodes may send any text, so the memory for it is limited: when it is full, everything is forgotten.
    if (parts.size >= maxParts) parts.clear();
    parts.set(text, part);
    return part;
  }
}

/** Returns whether two resources without GPUs and without members of a later version are the same. */
const areSame = (a: Resources, b: Resources): boolean =>
  a.CPU === b.CPU &&
  a.Memory === b.Memory &&
  a.Disk === b.Disk &&
  a.GPU === b.GPU &&
  !a.GPUs &&
  !b.GPUs &&
  !unknownOf(a) &&
  !unknownOf(b);
