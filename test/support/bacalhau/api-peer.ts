// Answers as the HTTP API of an orchestrator of Bacalhau does, as far as it is about nodes.
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type ApiFacts, facts, type Release } from './releases.ts';

const zeroTime = '0001-01-01T00:00:00Z';
const membershipOf: Readonly<Record<string, string>> = { approve: 'APPROVED', reject: 'REJECTED' };

interface PeerNode {
  id: string;
  membership: string;
  /** Time since its last heartbeat, in seconds. */
  heardSecondsAgo: number;
  /** Whether it closes the connection in place of its answer to a decision about this node. */
  isUnanswered?: boolean;
}

interface Answer {
  status: number;
  body: unknown;
}

/** An orchestrator. It has itself on its list, and the nodes that are given. */
export class ApiPeer {
  readonly #release: Release;
  readonly #api: ApiFacts;
  readonly #nodes = new Map<string, PeerNode>();
  readonly #server = createServer((request, response) => {
    void this.#answer(request).then(({ status, body }) => {
      const id = request.url?.split('/').at(-1) ?? '';
      if (request.method === 'PUT' && this.#nodes.get(id)?.isUnanswered) return request.socket.destroy();
      response.writeHead(status, {
        'Content-Type': 'application/json',
        'X-Bacalhau-Git-Version': `v${this.#release}`,
      });
      response.end(JSON.stringify(body));
    });
  });
  /** The requests that it was asked for, such as `PUT /orchestrator/nodes/n-1 approve`, and whether they showed a token. */
  readonly asked: string[] = [];
  port = 0;

  static async start(release: Release, ids: readonly string[]): Promise<ApiPeer> {
    const peer = new ApiPeer(release, ids);
    peer.#server.listen(0, '127.0.0.1');
    await once(peer.#server, 'listening');
    const address = peer.#server.address();
    peer.port = typeof address === 'object' && address ? address.port : 0;
    return peer;
  }

  private constructor(release: Release, ids: readonly string[]) {
    this.#release = release;
    this.#api = facts[release].api;
    for (const id of ids) this.#nodes.set(id, { id, membership: 'PENDING', heardSecondsAgo: 5 });
  }

  /** Changes what it knows of a node. */
  set(id: string, change: Partial<PeerNode>): void {
    const node = this.#nodes.get(id);
    if (node) Object.assign(node, change);
  }

  membership(id: string): string | undefined {
    return this.#nodes.get(id)?.membership;
  }

  release(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const { method = '', headers } = request;
    const url = new URL(request.url ?? '', 'http://peer');
    const path = url.pathname.replace('/api/v1', '');
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const { Action = '' } = text ? JSON.parse(text) : {};
    const token = headers.authorization ? ' with a token' : '';
    this.asked.push(`${method} ${path}${url.search}${Action ? ` ${Action}` : ''}${token}`);
    const name = /^\/orchestrator\/nodes\/([^/]+)$/.exec(path)?.[1];
    if (name !== undefined && method === 'GET') return this.#get(name);
    if (name !== undefined && method === 'PUT') return this.#decide(name, Action);
    if (path === '/orchestrator/nodes' && method === 'GET') return this.#list(url.searchParams);
    return this.#refuse(404, this.#api.noRoute.Message, this.#api.noRoute.Code, this.#api.noRoute.Hint);
  }

  /** It takes one value of a filter, and an unknown one chooses nothing. It leaves out filters that it does not know. */
  #list(query: URLSearchParams): Answer {
    if (!/^(|id|type|approval|status|available_(cpu|memory|disk|gpu))$/.test(query.get('order_by') ?? ''))
      return this.#refuse(400, 'invalid order_by', 'InternalError');
    const isWanted = (name: string, value: string) =>
      (query.get(name) ?? '') === '' || query.get(name)?.toUpperCase() === value;
    const all = [...this.#nodes.values()].map(node => this.#shown(node));
    const chosen = [this.#self(), ...all].filter(
      ({ Membership, Connection }) =>
        isWanted('filter-approval', Membership) && isWanted('filter-status', Connection),
    );
    const limit = Number(query.get('limit') ?? 0);
    return { status: 200, body: { NextToken: '', Nodes: limit > 0 ? chosen.slice(0, limit) : chosen } };
  }

  // It takes a whole id for the beginning of others too.
  #find(name: string): string[] {
    return [...this.#nodes.keys(), 'orchestrator'].filter(id => id.startsWith(name)).sort();
  }

  #get(name: string): Answer {
    const [id = '', second] = this.#find(name);
    if (id === '' || second !== undefined) return this.#notOne(name, this.#api.unknownNode);
    const node = this.#nodes.get(id);
    return { status: 200, body: { Node: node ? this.#shown(node) : this.#self() } };
  }

  #decide(name: string, action: string): Answer {
    const [id = '', second] = this.#find(name);
    const node = this.#nodes.get(id);
    const bySuccess = this.#api.refusesBy === 'success';
    if (action !== 'delete' && membershipOf[action] === undefined)
      return bySuccess
        ? failed('unsupported action')
        : this.#refuse(500, 'Internal server error', 'InternalError');
    if (!node || second !== undefined) return this.#notOne(name, bySuccess ? 200 : 404);
    const membership = membershipOf[action];
    if (membership === undefined) this.#nodes.delete(id);
    else if (node.membership === membership) {
      const already = `already ${membership.toLowerCase()}`;
      if (bySuccess) return failed(`node ${already}`);
      return this.#refuse(409, `node ${name} ${already}`, 'ConflictNodeState');
    } else node.membership = membership;
    return { status: 200, body: bySuccess ? { Success: true, Error: '' } : { Success: true } };
  }

  /** Refuses a name that no node has, or that several begin with. */
  #notOne(name: string, status: number): Answer {
    const ids = this.#find(name);
    const list = `[${ids.slice(0, 3).join(' ')}]`;
    if (this.#api.refusesBy === 'success') {
      const reason =
        ids.length > 1
          ? `multiple nodes found for nodeID prefix: ${name}, matching nodeIDs: ${list}`
          : `nodeInfo not found for nodeID: ${name}`;
      return status === 200 ? failed(reason) : this.#refuse(status, reason, 'InternalError');
    }
    return ids.length > 1
      ? this.#refuse(
          409,
          `multiple nodes found for prefix: ${name}, matching IDs: ${list}`,
          'MultipleNodesFound',
          'Use a more specific node ID prefix',
        )
      : this.#refuse(404, `node not found: ${name}`, 'NotFound');
  }

  #refuse(status: number, reason: string, code: string, hint?: string): Answer {
    const name = status === 500 ? 'Internal Server Error' : reason;
    if (this.#api.refusal === 'message') return { status, body: { error: reason, message: name } };
    const Message = status === 500 ? 'Internal server error' : reason;
    const Hint = hint ? { Hint: hint } : {};
    return {
      status,
      body: { Status: status, Message, RequestID: '', Code: code, Component: 'Test', ...Hint },
    };
  }

  #self() {
    const { isAloofFromItself, hasConnectionState } = this.#api;
    const Connection = isAloofFromItself ? 'DISCONNECTED' : 'CONNECTED';
    const state = { Status: Connection, LastHeartbeat: timeAgo(3600), ConnectedSince: timeAgo(3600) };
    return {
      Info: {
        NodeID: 'orchestrator',
        NodeType: 'Requester',
        Labels: null,
        ...(hasConnectionState ? { ComputeNodeInfo: { ...emptyComputeInfo, ...nothing } } : {}),
        BacalhauVersion: { ...noVersion, GitVersion: `v${this.#release}` },
      },
      Membership: 'APPROVED',
      Connection,
      ...(hasConnectionState ? { ConnectionState: { ...state, DisconnectedSince: zeroTime } } : {}),
    };
  }

  #shown({ id, membership, heardSecondsAgo }: PeerNode) {
    const { hasConnectionState, hasVersions } = this.#api;
    const isGone = heardSecondsAgo > 60 || (hasConnectionState && membership === 'REJECTED');
    const Connection = isGone ? 'DISCONNECTED' : 'CONNECTED';
    return {
      Info: {
        NodeID: id,
        NodeType: 'Compute',
        Labels: { zone: 'a' },
        ComputeNodeInfo: { ...emptyComputeInfo, ExecutionEngines: ['wasm', 'docker'], RunningExecutions: 1 },
        BacalhauVersion: hasVersions ? { ...noVersion, GitVersion: `v${this.#release}` } : noVersion,
      },
      Membership: membership,
      Connection,
      ...(hasConnectionState
        ? {
            ConnectionState: {
              Status: Connection,
              LastHeartbeat: timeAgo(heardSecondsAgo),
              ConnectedSince: zeroTime,
              DisconnectedSince: zeroTime,
            },
          }
        : {}),
    };
  }
}

const failed = (reason: string): Answer => ({ status: 200, body: { Success: false, Error: reason } });

const timeAgo = (seconds: number): string => new Date(Date.now() - seconds * 1_000).toISOString();

const emptyComputeInfo = {
  ExecutionEngines: null,
  Publishers: null,
  StorageSources: null,
  MaxCapacity: { CPU: 1.6, Memory: 20e9, Disk: 190e9 },
  QueueCapacity: {},
  AvailableCapacity: { CPU: 1.6, Memory: 20e9, Disk: 190e9 },
  MaxJobRequirements: { CPU: 1.6, Memory: 20e9, Disk: 190e9 },
  RunningExecutions: 0,
  EnqueuedExecutions: 0,
};
const nothing = { MaxCapacity: {}, AvailableCapacity: {}, MaxJobRequirements: {} };
const noVersion = { GitVersion: '', GitCommit: '', BuildDate: zeroTime, GOOS: '', GOARCH: '' };
