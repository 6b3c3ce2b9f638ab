// Calls the requester's HTTP API: what a command asks about nodes, events, operators, listeners, join codes, bans and CAs.
import type { LoadedSettings, LoadOptions } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import type { DecisionAction, DecisionBody, LostNode } from '../protocol/http.ts';
import type { OperationView } from '../protocol/http-operations.ts';
import type { GoneNode } from '../protocol/tombstone.ts';
import { MusterError } from '../system/errors.ts';
import { wholeIdHint } from '../system/whole-id-hint.ts';
import { type ApiAddress, apiAddress, apiAddresses } from './address.ts';
import {
  readDecisionAnswer,
  readGoneNodes,
  readLostNodes,
  readNodes,
  readOneNode,
  readOperationView,
  readRequesterState,
  type ShownEvent,
  type ShownNode,
} from './answers.ts';
import { AuthorityCalls } from './authorities.ts';
import { BacalhauCalls } from './bacalhau.ts';
import { BanCalls, requireFingerprint } from './bans.ts';
import { type EventListeners, readEvents } from './event-stream.ts';
import { tokenSource } from './find-token.ts';
import { JoinCodeCalls } from './join-codes.ts';
import { ListenerCalls } from './listeners.ts';
import { type NodeListing, openNodeList } from './node-list.ts';
import { findByName, nodeNotFound, nodePath } from './node-names.ts';
import type { ApiServerOptions } from './one-server.ts';
import { OperatorCalls } from './operators.ts';
import { type Orchestrator, requireKnown } from './orchestrator.ts';
import { PageCalls } from './page.ts';
import { ApiRequests, withQuery } from './requests.ts';
import { trustedAuthorities } from './trusted-authorities.ts';

/** The settings by which a command finds the requester. */
export const apiSettings = [
  'api.host',
  'api.port',
  'api.servers',
  'api.tokenFile',
  'api.tls.caFile',
  'api.tls.pin',
] as const;

/** What is known of a decision besides itself: its operation, and what a selection has shown of the node. */
interface DecideOptions {
  operation?: string | undefined;
  node?: ShownNode | undefined;
  /** The shortest silence that the selection asked for, in milliseconds. */
  silentForMs?: number | undefined;
  /** The parameters of the list for the other filters of the selection, but for that of the membership. */
  filter?: Readonly<Record<string, string>> | undefined;
}

const changesMembership = (action: DecisionAction): boolean =>
  ['approve', 'reject', 'delete', 'forget'].includes(action);

type ClientOptions = Pick<ApiServerOptions, 'deadlineMs' | 'doubts'>;

/** Returns a client for the requesters in the settings, which it tries in turn. Throws MusterError `bad_config`. */
export async function requesterApi(
  load: (options: Pick<LoadOptions, 'skipUnreadable'>) => Promise<LoadedSettings>,
  options: Pick<ClientOptions, 'deadlineMs'> = {},
): Promise<ApiClient> {
  const { settings, origin, warnings } = await load({ skipUnreadable: true });
  const doubts = warnings.filter(text => text.includes('cannot be read'));
  return clientOf(settings, apiAddresses(settings, origin), { ...options, doubts });
}

/** Returns a client for the requester on this machine, by `api.host` and `api.port` alone. */
export function localApi(
  settings: Pick<Settings, 'api' | 'dataDir'>,
  options: ClientOptions = {},
): ApiClient {
  return clientOf(settings, [apiAddress(settings.api)], options);
}

function clientOf(
  settings: Pick<Settings, 'api' | 'dataDir'>,
  addresses: readonly ApiAddress[],
  options: ClientOptions,
): ApiClient {
  const servers = addresses.map(address => ({
    ...address,
    ...options,
    tokens: tokenSource(settings),
    ca: (deadlineMs: number) => trustedAuthorities(settings, address, deadlineMs),
  }));
  const [first = apiAddress(settings.api), ...others] = servers;
  return new ApiClient(first, others);
}

/** Calls the API. All methods throw MusterError: `unreachable`, or the error in the requester's answer. */
export class ApiClient {
  readonly operators: OperatorCalls;
  readonly listeners: ListenerCalls;
  readonly joinCodes: JoinCodeCalls;
  readonly authorities: AuthorityCalls;
  readonly bacalhau: BacalhauCalls;
  readonly bans: BanCalls;
  readonly page: PageCalls;
  readonly #requests: ApiRequests;

  constructor(first: ApiServerOptions, others: readonly ApiServerOptions[] = []) {
    this.#requests = new ApiRequests(first, others);
    this.operators = new OperatorCalls(this.#requests);
    this.listeners = new ListenerCalls(this.#requests);
    this.joinCodes = new JoinCodeCalls(this.#requests);
    this.authorities = new AuthorityCalls(this.#requests);
    this.bacalhau = new BacalhauCalls(this.#requests);
    this.bans = new BanCalls(this.#requests);
    this.page = new PageCalls(this.#requests);
  }

  get url(): string {
    return this.#requests.url;
  }

  /** The orchestrator of Bacalhau that answered last; undefined when a requester of muster did, or nothing has answered yet. */
  get orchestrator(): Orchestrator | undefined {
    return this.#requests.orchestrator;
  }

  /** Returns the nodes that match `query`, which has the parameters of the API. */
  nodes(query: Readonly<Record<string, string>>): Promise<ShownNode[]> {
    return this.#requests.ask(readNodes, 'GET', withQuery('/orchestrator/nodes', query));
  }

  /** Returns the same nodes as they come, with what the requester says of the list. They must be read to the end. */
  listNodes(query: Readonly<Record<string, string>>): Promise<NodeListing> {
    return openNodeList(this.#requests, withQuery('/orchestrator/nodes', query));
  }

  /** Returns the node with this id, or with this unique beginning of an id. */
  async node(name: string): Promise<ShownNode> {
    try {
      return await this.#requests.ask(readOneNode, 'GET', nodePath(name));
    } catch (error) {
      // An orchestrator of Bacalhau does not prefer a whole id to the beginning of others, and up to 1.5 does not say why it fails.
      const isOdd = error instanceof MusterError && /^(failed|ambiguous|not_found)$/.test(error.code);
      if (!isOdd || !this.orchestrator) throw error;
      return findByName(name, await this.nodes({}));
    }
  }

  /**
   * Approves, rejects, deletes or rekeys the node with exactly this id. A beginning of an id is `not_found`. An approval
   * names the key that the node has now, or had in `node`, so that it counts for no other key. A decision about a `node` that a
   * selection has shown is refused when it was heard within `silentForMs` or does not match `filter` any more, and one about its
   * membership when that is another one by now. Returns the node as it was, if it could be read. Many decisions are as many calls, several at once: each has its own rule, operation, event and answer, so a
   * request for many would save little and could fail in its middle.
   */
  async decide(
    id: string,
    decision: Omit<DecisionBody, 'Exact'>,
    { operation, node, silentForMs, filter }: DecideOptions = {},
  ): Promise<ShownNode | undefined> {
    if (decision.Fingerprint !== undefined) requireFingerprint(decision.Fingerprint);
    // A node that a requester of muster has listed needs no question before.
    const isOnRoll = decision.Action !== 'undelete';
    const found = node?.Muster || !isOnRoll ? node : await this.#refuseBeginning(id);
    if (this.orchestrator) requireKnown(this.orchestrator, decision);
    const Fingerprint = decision.Action === 'approve' ? found?.Muster?.Fingerprint : undefined;
    const body = {
      ...(Fingerprint ? { Fingerprint } : {}),
      ...(node?.Membership && changesMembership(decision.Action) ? { ShownMembership: node.Membership } : {}),
      ...(silentForMs ? { ShownSilenceSeconds: Math.floor(silentForMs / 1000) } : {}),
      ...(filter && Object.keys(filter).length > 0
        ? { ShownFilter: String(new URLSearchParams(filter)) }
        : {}),
      ...decision,
      Exact: true,
    };
    const change = {
      what: `the decision about node ${id}`,
      // An orchestrator of Bacalhau remembers no operations.
      findOut: (given: string) =>
        this.orchestrator ? `muster node describe ${id}` : `muster explain ${given}`,
      isRemembered: !this.orchestrator,
      operation,
    };
    await this.#requests.decide(nodePath(id), body satisfies DecisionBody, change).catch(error => {
      // Nothing was asked before about a node that is gone.
      if (this.orchestrator) requireKnown(this.orchestrator, decision);
      throw error;
    });
    return found;
  }

  /** Returns the nodes that are gone, the latest first. `since` limits them to those that went within this time. */
  goneNodes(since?: string): Promise<GoneNode[]> {
    return this.#requests.ask(readGoneNodes, 'GET', withQuery('/orchestrator/gone', since ? { since } : {}));
  }

  /** Returns the nodes whose records the store lost. */
  lostNodes(): Promise<LostNode[]> {
    return this.#requests.ask(readLostNodes, 'GET', '/orchestrator/store/lost');
  }

  /** Writes the record of a lost node again. `actor` is the operator who wants it. */
  async rebuild(id: string, actor: string): Promise<void> {
    await this.#requests.decide(
      `/orchestrator/store/lost/${id}`,
      { Action: 'rebuild', Actor: actor },
      { what: `the new record of node ${id}`, findOut: () => 'muster store rebuild --dry-run' },
    );
  }

  /** Takes an older store as the right one. `actor` is what the caller says of itself. */
  async confirmStore(actor: string): Promise<void> {
    const body = JSON.stringify({ Action: 'confirm', Actor: actor });
    const change = { what: 'the confirmation', findOut: () => 'muster status' };
    await this.#requests.ask(readDecisionAnswer, 'PUT', '/orchestrator/store', body, change);
  }

  /** Returns what became of an operation. */
  async explain(operation: string): Promise<OperationView> {
    return await this.#requests.ask(readOperationView, 'GET', `/orchestrator/operations/${operation}`);
  }

  /** Returns the state of the requester itself. */
  status(): Promise<ReturnType<typeof readRequesterState>> {
    return this.#requests.ask(readRequesterState, 'GET', '/orchestrator/status');
  }

  /** Yields the events that match `query`. With `follow` it goes on until the requester stops, and its end is an error. */
  events(query: Readonly<Record<string, string>>, listeners: EventListeners): AsyncGenerator<ShownEvent> {
    return readEvents(this.#requests, query, listeners);
  }

  // A requester of muster refuses a beginning of an id by itself. An orchestrator of Bacalhau does not know `Exact`, so
  // it is asked first which node it would take.
  async #refuseBeginning(id: string): Promise<ShownNode | undefined> {
    const found = await this.node(id).catch((error: MusterError) => {
      if (error.code === 'ambiguous' && this.orchestrator) throw nodeNotFound(id, error.hint);
      if (error.code === 'unreachable' || this.orchestrator) throw error;
      return undefined;
    });
    const { NodeID } = found?.Info ?? { NodeID: id };
    if (NodeID !== id) throw nodeNotFound(id, wholeIdHint([NodeID]));
    return found;
  }
}
