// Resource information: what each node has free now. Memory only, gone with the process or the node (design 2).
import type { Usage } from '../../protocol/messages.ts';
import type { Resources } from '../../protocol/resources.ts';

export interface ResourceInfo {
  available: Resources;
  queued: Resources;
  /** Measured; absent from a Bacalhau node. */
  usage: Usage | undefined;
  /** Wall clock. */
  at: Date;
}

export class ResourceStore {
  readonly #nodes = new Map<string, ResourceInfo>();

  set(id: string, info: ResourceInfo): void {
    this.#nodes.set(id, info);
  }

  get(id: string): ResourceInfo | undefined {
    return this.#nodes.get(id);
  }

  delete(id: string): void {
    this.#nodes.delete(id);
  }
}
