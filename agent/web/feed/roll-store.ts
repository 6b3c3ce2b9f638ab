// Holds the rows of the roll as the events of the live roll make them. While another roll comes, the rows of the last one stay,
// so nothing vanishes from the page when the requester is started again.
import type { RollEvents, RollHead, RollRow, RollState } from '../../protocol/roll-rows.ts';

/** The events that say something of rows or of the requester. */
type Taken = Omit<RollEvents, 'following' | 'events'>;

export class RollStore {
  readonly #rows = new Map<string, RollRow>();
  readonly #onChange: () => void;
  #head: RollHead | undefined;
  /** The ids of the roll that comes now; undefined when all of it has come. */
  #coming: Set<string> | undefined;
  #isReady = false;
  #idsVersion = 0;

  /** `onChange` is called after each event that has changed something. */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get rows(): ReadonlyMap<string, RollRow> {
    return this.#rows;
  }

  /** Says whom the page talks to, with the latest state; undefined before the first answer. */
  get head(): RollHead | undefined {
    return this.#head;
  }

  /** Whether a whole roll has come once. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** A number that changes when a node comes or goes. */
  get idsVersion(): number {
    return this.#idsVersion;
  }

  /** Takes an event. An event of another name is left out, because a later version may send it. */
  take(name: string, data: unknown): void {
    const take = this.#takers[name as keyof Taken] as ((value: unknown) => void) | undefined;
    if (!take || !Object.hasOwn(this.#takers, name)) return;
    take(data);
    this.#onChange();
  }

  readonly #takers: { readonly [Name in keyof Taken]: (value: Taken[Name]) => void } = {
    roll: head => {
      this.#head = head;
      this.#coming = new Set();
    },
    nodes: rows => {
      for (const row of rows) this.#set(row);
    },
    ready: () => {
      for (const id of this.#rows.keys()) if (this.#coming && !this.#coming.has(id)) this.#delete(id);
      this.#coming = undefined;
      this.#isReady = true;
    },
    state: state => this.#takeState(state),
    figures: all => {
      for (const figures of all) this.#change(figures.id, figures);
    },
    heard: ({ at, nodes }) => {
      this.#takeTime(at);
      for (const [id, heardAt] of Object.entries(nodes)) this.#change(id, { heardAt });
    },
    gone: ids => {
      for (const id of ids) this.#delete(id);
    },
  };

  #set(row: RollRow): void {
    if (!this.#rows.has(row.id)) this.#idsVersion++;
    this.#rows.set(row.id, row);
    this.#coming?.add(row.id);
  }

  /** A row is never changed in place, so whoever holds one can tell by it that nothing changed. */
  #change(id: string, members: Partial<RollRow>): void {
    const row = this.#rows.get(id);
    if (row) this.#rows.set(id, { ...row, ...members });
  }

  #delete(id: string): void {
    if (this.#rows.delete(id)) this.#idsVersion++;
    this.#coming?.delete(id);
  }

  #takeState({ at, state, reason }: RollState): void {
    if (this.#head) this.#head = { ...this.#head, at, state, reason };
  }

  #takeTime(at: number): void {
    if (this.#head) this.#head = { ...this.#head, at };
  }
}
