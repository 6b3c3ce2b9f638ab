// The command line of a release of Bacalhau: sends what it sends, in its order, and reads the answers as strictly as it does.
import assert from 'node:assert/strict';
import { type GoType, readGo } from './go-json.ts';
import { answers } from './go-types.ts';
import { type CommandLineFacts, facts, type Release } from './releases.ts';

/** What a command prints when it fails, with exit code 1. */
export class CommandFailure extends Error {
  readonly hint: string;
  constructor(message: string, hint = '') {
    super(message);
    this.hint = hint;
  }
}

export interface CommandLineUser {
  /** What the user types at each prompt. */
  types?: string;
  /** What the environment has. */
  environment?: { apiKey: string } | { username: string; password: string };
}

export interface ListFlags {
  'filter-approval'?: string;
  'filter-status'?: string;
  /** The requirements of a selector, each of which is sent by itself. */
  labels?: string[];
  'order-by'?: string;
  'order-reversed'?: boolean;
  limit?: number;
  'next-token'?: string;
}

interface ShownResources {
  CPU?: number;
  Memory?: number;
}
export interface ShownNode {
  Info: {
    NodeID: string;
    NodeType: string;
    Labels?: Record<string, string>;
    ComputeNodeInfo?: { AvailableCapacity?: ShownResources; MaxCapacity?: ShownResources };
  };
  Membership: string;
  Connection: string;
  ConnectionState?: { Status: string };
}

interface Request {
  method: string;
  path: string;
  body?: Record<string, unknown>;
}

export class CommandLinePeer {
  /** What was sent, such as `GET /api/v1/auth`. */
  readonly requests: string[] = [];
  /** The headers of the latest answer. */
  headers = new Headers();
  readonly #release: Release;
  readonly #facts: CommandLineFacts;
  readonly #url: string;
  readonly #user: CommandLineUser;
  /** The token in its file; an empty one counts as none. */
  #kept = '';

  constructor(release: Release, url: string, user: CommandLineUser = {}) {
    this.#release = release;
    this.#facts = facts[release].commandLine;
    this.#url = url;
    this.#user = user;
  }

  /** What `tokens.json` has of this server. */
  get keptToken(): string {
    return this.#kept;
  }

  async list(flags: ListFlags = {}): Promise<ShownNode[]> {
    const query = new URLSearchParams();
    const { labels = [], limit, ...rest } = flags;
    for (const requirement of labels) query.append('labels', requirement);
    if (limit) query.set('limit', String(limit));
    const names = { 'order-by': 'order_by', 'order-reversed': 'reverse', 'next-token': 'next_token' };
    for (const [flag, value] of Object.entries(rest)) {
      const name = names[flag as keyof typeof names] ?? flag;
      if (value) query.set(name, String(value));
    }
    const path = `/api/v1/orchestrator/nodes${query.size > 0 ? `?${query}` : ''}`;
    const { Nodes } = await this.#run('node list', { method: 'GET', path }, answers.nodes(this.#release));
    return Nodes as ShownNode[];
  }

  async describe(name: string): Promise<ShownNode> {
    const request = { method: 'GET', path: `/api/v1/orchestrator/nodes/${name}` };
    return (await this.#run('node describe', request, answers.node(this.#release))).Node as ShownNode;
  }

  /** Approves, rejects or deletes; `Ok` is what it prints. */
  async decide(action: 'approve' | 'reject' | 'delete', name: string, message = ''): Promise<'Ok'> {
    const body = { Action: action, Message: message, NodeID: name };
    const request = { method: 'PUT', path: `/api/v1/orchestrator/nodes/${name}`, body };
    const { Success, Error: why } = await this.#run(`node ${action}`, request, answers.decision());
    if (!Success) throw new CommandFailure(`Failed to ${action} node ${name}: ${why}`);
    return 'Ok';
  }

  agentAlive() {
    return this.#run('agent alive', { method: 'GET', path: '/api/v1/agent/alive' }, answers.alive());
  }

  agentVersion() {
    return this.#run('agent version', { method: 'GET', path: '/api/v1/agent/version' }, answers.version());
  }

  agentNode() {
    const request = { method: 'GET', path: '/api/v1/agent/node' };
    return this.#run('agent node', request, answers.agentNode(this.#release));
  }

  async agentConfig() {
    const request = { method: 'GET', path: '/api/v1/agent/config' };
    return (await this.#run('agent config', request, answers.agentConfig())).config;
  }

  /** Returns what the command `version` shows of the server. */
  async version(): Promise<unknown> {
    const [method = '', path = ''] = this.#facts.versionRequest.split(' ');
    const isFormer = method === 'POST';
    const request = { method, path, ...(isFormer ? { body: { client_id: 'of-a-test' } } : {}) };
    const type = isFormer ? answers.formerVersion() : answers.version();
    const answer = await this.#run('version', request, type);
    return ((isFormer ? answer.build_version_info : answer) as Record<string, unknown>).GitVersion;
  }

  async jobList(): Promise<unknown> {
    const request = {
      method: 'GET',
      path: '/api/v1/orchestrator/jobs?limit=10&order_by=created_at&reverse=true',
    };
    return (await this.#run('job list', request, answers.jobs())).Items;
  }

  jobDescribe(job: string) {
    const path = `/api/v1/orchestrator/jobs/${job}?include=executions%2Chistory`;
    return this.#run('job describe', { method: 'GET', path }, answers.job());
  }

  jobRun() {
    const body = { Job: { Name: 'a', Type: 'batch', Count: 1 } };
    const request = { method: 'PUT', path: '/api/v1/orchestrator/jobs', body };
    return this.#run('job run', request, answers.submitted());
  }

  /** Runs a command. @throws CommandFailure */
  async #run(command: string, request: Request, type: GoType): Promise<Record<string, unknown>> {
    const { withoutLogin, onRefusedToken } = this.#facts;
    const fromEnvironment = this.#fromEnvironment();
    if (withoutLogin.commands.includes(command)) {
      const shown = withoutLogin.showsToken && this.#kept ? `Bearer ${this.#kept}` : undefined;
      return this.#read(await this.#send(request, shown), type);
    }
    if (fromEnvironment !== undefined) return this.#read(await this.#send(request, fromEnvironment), type);
    if (this.#kept !== '') {
      const answer = await this.#send(request, `Bearer ${this.#kept}`);
      if (answer.status !== 401 || onRefusedToken === 'fails') return this.#read(answer, type);
    }
    this.#kept = await this.#logIn();
    return this.#read(await this.#send(request, `Bearer ${this.#kept}`.trim()), type);
  }

  #fromEnvironment(): string | undefined {
    const { environment } = this.#user;
    if (!environment || !this.#facts.readsEnvironment) return undefined;
    if ('apiKey' in environment) return `Bearer ${environment.apiKey}`;
    const { username, password } = environment;
    return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  }

  /** Asks how to log in, has its user answer, and returns the token. */
  async #logIn(): Promise<string> {
    const offered = this.#read(await this.#send({ method: 'GET', path: '/api/v1/auth' }), answers.methods());
    const methods = Object.entries(
      (offered.Methods ?? {}) as Record<string, { type: string; params: Asked }>,
    );
    const known = methods.filter(([, { type }]) => type === 'ask' || type === 'challenge');
    if (known.length === 0) throw new CommandFailure('no common authentication method');
    // With several ways it asks which of them; no test has a user who chooses.
    assert.equal(known.length, 1);
    const [name, { type, params }] = known[0] ?? assert.fail();
    assert.equal(type, 'ask', 'the user of this test has no key');
    const answer = Object.fromEntries(
      (params.required ?? []).map(member => {
        if (!params.properties?.[member]?.type)
          throw new CommandFailure(`invalid schema: property "${member}" has no type`);
        return [member, this.#user.types ?? ''];
      }),
    );
    const body = { Name: name, MethodData: Buffer.from(JSON.stringify(answer)).toString('base64') };
    const sent = await this.#send({ method: 'POST', path: `/api/v1/auth/${name}`, body });
    const { Authentication } = this.#read(sent, answers.login()) as {
      Authentication: { success?: boolean; reason?: string; token?: string };
    };
    // It would ask its user again, for ever.
    assert.ok(Authentication.success, Authentication.reason ?? 'it failed without a reason');
    return Authentication.token ?? '';
  }

  /** Reads an answer. @throws CommandFailure for all but status 200 with a body of the type that is expected. */
  #read({ status, text }: Answer, type: GoType): Record<string, unknown> {
    const { showsRefusal, onRefusedToken } = this.#facts;
    if (status === 401)
      throw new CommandFailure(onRefusedToken === 'asks again' ? 'invalid token' : 'unauthorized');
    if (status !== 200 && showsRefusal === 'body')
      throw new CommandFailure(`Unexpected response code: ${status} (${text.trim()})`);
    try {
      const value: unknown = JSON.parse(text);
      if (status !== 200) {
        const { Message = '', Hint = '' } = readGo(refusal, value) as { Message?: string; Hint?: string };
        throw new CommandFailure(Message, Hint);
      }
      return readGo(type, value) as Record<string, unknown>;
    } catch (error) {
      if (error instanceof CommandFailure) throw error;
      throw new CommandFailure(`cannot read the answer: ${error}`);
    }
  }

  async #send({ method, path, body }: Request, authorization?: string): Promise<Answer> {
    this.requests.push(`${method} ${path}`);
    const Credential = authorization
      ? { Scheme: authorization.split(' ')[0], Value: authorization.split(' ')[1], Params: null }
      : null;
    const base = path.startsWith('/api/v1/auth/')
      ? { Namespace: '', Credential }
      : { Namespace: '', Credential, IdempotencyToken: '' };
    const answer = await fetch(`${this.#url}${path}`, {
      method,
      redirect: 'manual',
      headers: {
        connection: 'close',
        'Accept-Encoding': 'gzip',
        'X-Bacalhau-Git-Version': `v${this.#release}`,
        'X-Bacalhau-Git-Commit': 'a'.repeat(40),
        'X-Bacalhau-Build-Date': '2025-03-06 17:02:03 +0000 UTC',
        'X-Bacalhau-Build-OS': 'linux',
        'X-Bacalhau-Arch': 'amd64',
        ...(authorization === undefined ? {} : { Authorization: authorization }),
        ...(body ? { 'Content-Type': 'application/json' } : {}),
      },
      ...(body ? { body: JSON.stringify({ ...base, ...body }) } : {}),
    });
    this.headers = answer.headers;
    return { status: answer.status, text: await answer.text() };
  }
}

interface Answer {
  status: number;
  text: string;
}

const refusal: GoType = {
  struct: {
    Status: 'int',
    Message: 'string',
    RequestID: 'string',
    Code: 'string',
    Component: 'string',
    Hint: 'string',
    Details: { map: 'string' },
  },
};

interface Asked {
  properties?: Record<string, { type?: string }>;
  required?: string[];
}
