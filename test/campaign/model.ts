// The model remembers every operation on every node, and says which memberships a node may have. An operation without an
// answer may be carried out at any later time, so a node may have several possible memberships.
import type { Membership } from '../../agent/protocol/node-state.ts';

export type State = 'absent' | Membership;
export type Verb = 'approve' | 'reject' | 'delete' | 'register';

/** What is known of an operation once it is over: carried out, refused by a rule, never sent, or unknown. */
export type Outcome = 'done' | 'conflict' | 'absent' | 'not sent' | 'unknown';

export interface Operation {
  readonly node: string;
  readonly verb: Verb;
  /** The reason of a decision. It is used once, so that the event of the decision is recognised by it. */
  readonly reason: string;
  outcome: Outcome | undefined;
}

/** Returns what an operation makes of a node: a new state, or how it is refused. */
function carryOut(verb: Verb, state: State): State | 'conflict' | 'refused as absent' {
  if (verb === 'register') return state === 'absent' ? 'PENDING' : state;
  if (state === 'absent') return 'refused as absent';
  if (verb === 'delete') return 'absent';
  const wanted = verb === 'approve' ? 'APPROVED' : 'REJECTED';
  return state === wanted ? 'conflict' : wanted;
}

/** An operation that is not over, or whose outcome is unknown. */
interface Floating {
  operation: Operation;
  /** The possible states just before it began. */
  before: ReadonlySet<State>;
  /** The other operations on the node that may have been carried out since then. */
  beside: Set<Verb>;
}

interface Node {
  possible: ReadonlySet<State>;
  floating: Set<Floating>;
  /** Whether the node registers by itself whenever it likes, as an agent does. */
  registersItself: boolean;
  /** The operations on it that were carried out, in order. */
  done: Operation[];
  unknown: Operation[];
}

export class Model {
  readonly #nodes = new Map<string, Node>();
  #number = 0;

  /** Adds a node that has not registered yet. */
  add(id: string, registersItself: boolean): void {
    const possible = new Set<State>(registersItself ? ['absent', 'PENDING'] : ['absent']);
    this.#nodes.set(id, { possible, floating: new Set(), registersItself, done: [], unknown: [] });
  }

  get ids(): string[] {
    return [...this.#nodes.keys()];
  }

  possible(id: string): ReadonlySet<State> {
    return this.#node(id).possible;
  }

  /** Returns the decisions on a node that were carried out, in order. */
  doneDecisions(id: string): Operation[] {
    return this.#node(id).done.filter(operation => operation.verb !== 'register');
  }

  /** Returns the decisions on a node that may have been carried out. */
  unknownDecisions(id: string): Operation[] {
    return this.#node(id).unknown.filter(operation => operation.verb !== 'register');
  }

  /** Remembers that an operation is about to be sent. The caller reports its end. */
  begin(id: string, verb: Verb): Operation {
    const node = this.#node(id);
    const operation: Operation = { node: id, verb, reason: `decision ${++this.#number}`, outcome: undefined };
    const beside = new Set<Verb>(node.registersItself ? ['register'] : []);
    for (const other of node.floating) {
      beside.add(other.operation.verb);
      other.beside.add(verb);
    }
    node.floating.add({ operation, before: node.possible, beside });
    node.possible = after(node.possible, [...beside, verb]);
    return operation;
  }

  /**
   * Remembers the outcome of an operation.
   * @throws Error when the operation cannot have this outcome in any possible state of the node.
   */
  end(operation: Operation, outcome: Outcome): void {
    const node = this.#node(operation.node);
    const floating = [...node.floating].find(each => each.operation === operation);
    if (!floating) throw new Error(`${operation.verb} ${operation.node} is over already`);
    operation.outcome = outcome;
    if (outcome === 'unknown') {
      node.unknown.push(operation);
      return;
    }
    node.floating.delete(floating);
    if (outcome === 'done') node.done.push(operation);
    const beside = [...floating.beside];
    const states = [...after(floating.before, beside)].flatMap(state => {
      const result = carryOut(operation.verb, state);
      if (outcome === 'not sent') return [state];
      if (outcome === 'conflict') return result === 'conflict' ? [state] : [];
      if (outcome === 'absent') return result === 'refused as absent' ? [state] : [];
      return result === 'conflict' || result === 'refused as absent' ? [] : [result];
    });
    if (states.length === 0) {
      const before = [...floating.before].join(' or ');
      throw new Error(
        `${operation.verb} ${operation.node} cannot end as '${outcome}': the node was ${before} before it`,
      );
    }
    node.possible = after(new Set(states), beside);
  }

  /**
   * Remembers the state of a node on the roll of a requester at rest. Operations without an answer are over then.
   * @throws Error when the node cannot have this state.
   */
  settle(id: string, state: State): void {
    const node = this.#node(id);
    if (!node.possible.has(state))
      throw new Error(`${id} is ${state} on the roll, but it must be ${[...node.possible].join(' or ')}`);
    for (const each of node.floating) if (each.operation.outcome === 'unknown') node.floating.delete(each);
    const verbs = [...node.floating].map(each => each.operation.verb);
    node.possible = after(new Set([state]), node.registersItself ? [...verbs, 'register'] : verbs);
  }

  /**
   * Remembers that the store lost records. A node that waits for approval may be absent until it has registered again; all
   * others are put back from the events.
   */
  loseWaiting(): void {
    for (const node of this.#nodes.values())
      if (node.possible.has('PENDING')) node.possible = new Set([...node.possible, 'absent']);
  }

  #node(id: string): Node {
    const node = this.#nodes.get(id);
    if (!node) throw new Error(`the model has no node ${id}`);
    return node;
  }
}

/** Returns the states that are possible after any number of these operations, each refused or carried out, in any order. */
function after(states: ReadonlySet<State>, verbs: readonly Verb[]): ReadonlySet<State> {
  const reached = new Set(states);
  // A set yields the members that are added while it is read.
  for (const state of reached) {
    for (const verb of verbs) {
      const next = carryOut(verb, state);
      if (next !== 'conflict' && next !== 'refused as absent') reached.add(next);
    }
  }
  return reached;
}
