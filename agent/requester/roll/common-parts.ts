// What the records of many nodes have in common, kept in memory once: machines of one kind say the same of themselves.
import type { NodeState } from '../../protocol/node-state.ts';

/** Different parts that are kept; a fleet with more kinds of machine shares less. */
const maxParts = 4_096;

export class CommonParts {
  readonly #parts = new Map<string, unknown>();

  /** The same record, in which each part that another record has too is that one's: a third of its memory. */
  share(state: NodeState): NodeState {
    const Info = this.#with(state.Info, ['SupportedProtocols', 'BacalhauVersion', 'Host', 'Agent']);
    return this.#with({ ...state, Info }, ['ConnectionState']);
  }

  #with<T extends object>(whole: T, names: (keyof T)[]): T {
    const shared = { ...whole };
    for (const name of names) if (shared[name]) shared[name] = this.#one(shared[name]);
    return shared;
  }

  #one<T>(part: T): T {
    const text = JSON.stringify(part);
    const known = this.#parts.get(text);
    if (known) return known as T;
    // Nodes may say what they like: forgetting all now and then bounds what is kept for them.
    if (this.#parts.size >= maxParts) this.#parts.clear();
    this.#parts.set(text, part);
    return part;
  }
}
