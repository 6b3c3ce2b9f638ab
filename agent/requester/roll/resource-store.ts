// The resource store holds the free resources of each node. It is in memory only, so it is empty after a restart.
import type { Usage } from '../../protocol/messages.ts';
import type { Resources } from '../../protocol/resources.ts';

export interface ResourceInfo {
  available: Resources;
  queued: Resources;
  /** The measured usage; absent for a Bacalhau node. */
  usage: Usage | undefined;
  /** Time when the report was received, on the wall clock. */
  at: Date;
  /** The protocol in which it came. */
  protocol: string;
}

export class ResourceStore {
  readonly #nodes = new Map<string, ResourceInfo>();

  set(id: string, info: ResourceInfo): void {
    this.#nodes.set(id, info);
  }

  get(id: string): ResourceInfo | undefined {
    return this.#nodes.get(id);
  }

  /** Forgets a node that is no longer on the roll. */
  onRemoved(id: string): void {
    this.#nodes.delete(id);
  }
}
