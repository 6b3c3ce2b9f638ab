// What is read from a connection: the HTTP API, the client of the API, a broker's greeting, and the socket of a role.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { ApiClient } from '../../agent/api/client.ts';
import { type Api, startApi } from '../../agent/requester/api/server.ts';
import { askHolder, holdFolder, type RoleSocket } from '../../agent/system/role-socket.ts';
import { whyNotLetIn } from '../../agent/transport/access-check.ts';
import { cluster } from '../requester/api/api-fixture.ts';
import { tokens } from '../support/fake-operators.ts';
import { recordLog } from '../support/log-lines.ts';
import { shownNodes } from './api-decoders.ts';
import { type Decoder, isMusterError } from './decoder.ts';
import { cloudEvents } from './message-decoders.ts';

const never = () => false;

/** A server that answers each connection with the same bytes, and then ends it. */
class AnsweringServer {
  readonly #server: Server;
  readonly #waitsForQuestion: boolean;
  readonly #sockets = new Set<Socket>();
  #answer: Buffer = Buffer.alloc(0);

  /** `waitsForQuestion`: whether it answers only when something came. */
  constructor(waitsForQuestion: boolean) {
    this.#waitsForQuestion = waitsForQuestion;
    this.#server = createServer(socket => this.#serve(socket));
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    if (this.#waitsForQuestion) socket.once('data', () => socket.end(this.#answer));
    else {
      socket.end(this.#answer);
      socket.resume();
    }
  }

  async listen(where: string | undefined): Promise<void> {
    if (this.#server.listening) return;
    if (where === undefined) this.#server.listen(0, '127.0.0.1');
    else this.#server.listen(where);
    await once(this.#server, 'listening');
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  answerWith(bytes: Buffer): void {
    this.#answer = bytes;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

const greeter = new AnsweringServer(false);
const impostor = new AnsweringServer(true);
const role = new AnsweringServer(true);
let roleFolder: string | undefined;
let heldFolder: string | undefined;
let held: RoleSocket | undefined;
let api: Api | undefined;
const apiLog = recordLog();

/** Sends bytes to a port or a socket, and returns what comes back until the other side ends the connection. */
async function exchange(place: number | string, bytes: Buffer | string): Promise<string> {
  const socket = typeof place === 'number' ? connect({ port: place, host: '127.0.0.1' }) : connect(place);
  let text = '';
  // A connection that the other side resets is an answer too.
  socket.on('error', () => undefined);
  socket.setEncoding('latin1').on('data', chunk => {
    text += chunk;
    // A stream of events has no end, so its beginning is enough.
    if (/\r\nContent-Type: application\/x-ndjson\r\n/i.test(text)) socket.destroy();
  });
  socket.end(bytes);
  await once(socket, 'close');
  return text;
}

/** Sends the text of a request. Returns true when it was carried out; undefined when it was refused. */
async function callApi(text: string): Promise<true | undefined> {
  api ??= await startApi({ directory: cluster(), host: '127.0.0.1', port: 0, log: apiLog.log });
  const answer = await exchange(api.port, Buffer.from(text));
  const unexpected = apiLog.lines.find(({ level }) => level === 'error');
  assert.equal(unexpected, undefined, `${unexpected?.message}: ${unexpected?.fields.err}`);
  apiLog.lines.length = 0;
  if (answer === '') return undefined;
  const [, status = ''] = /^HTTP\/1\.1 (\d{3}) /.exec(answer) ?? [];
  // 500 is the answer of a fault in the program, and 503 that of a store that does not answer.
  assert.match(status, /^(200|400|401|403|404|408|409|413|414|417|429|431)$/, answer.slice(0, 300));
  return status === '200' ? true : undefined;
}

const requests = fc.constantFrom(
  ...[
    [
      'GET',
      '/api/v1/orchestrator/nodes?filter-approval=approved&labels=zone%20in%20(a,b)&order_by=id&limit=2&reverse=true',
    ],
    ['GET', '/api/v1/orchestrator/nodes/node-1'],
    ['GET', '/api/v1/orchestrator/events?node=node-1&since=2026-01-01T00:00:00Z'],
    ['GET', '/api/v1/auth/proof?operator=tester&nonce=AAAAAAAAAAAAAAAAAAAAAA'],
    ['GET', '/api/v1/orchestrator/operators'],
    [
      'PUT',
      '/api/v1/orchestrator/nodes/node-1',
      '{"Action":"approve","Message":"ok","Actor":"ada@desk","Exact":true}',
    ],
    ['PUT', '/api/v1/orchestrator/bans/BDWE-AMSB-5ZAN-P4NC', '{"Action":"unban","Actor":"ada@desk"}'],
    ['PUT', '/api/v1/orchestrator/store/lost/node-1', '{"Action":"rebuild"}'],
    [
      'POST',
      '/api/v1/orchestrator/join-codes',
      '{"ExpiresInSeconds":3600,"Uses":2,"Labels":{"zone":"a"},"Network":"10.0.0.0/8"}',
    ],
    ['PUT', '/api/v1/orchestrator/join-codes/abcdefgh23', '{"Action":"revoke"}'],
    ['POST', '/api/v1/orchestrator/operators', '{"Name":"eve","ReadOnly":true,"ExpiresInSeconds":60}'],
    ['DELETE', '/api/v1/orchestrator/operators/eve?actor=ada%40desk'],
    ['POST', '/api/v1/auth/OperatorToken', '{"MethodData":"eyJUb2tlbiI6IngifQ=="}'],
  ].map(
    ([method, path, body = '']) =>
      `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${tokens.tester}\r\nX-Request-Id: 7\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  ),
);

const greeting = {
  server_id: `N${'A'.repeat(55)}`,
  server_name: 's',
  version: '2.12.15',
  proto: 1,
  host: '127.0.0.1',
  port: 4222,
  headers: true,
  max_payload: 1_048_576,
  jetstream: true,
  auth_required: true,
  nonce: 'AAAAAAAAAAAAAAA',
  client_id: 5,
  connect_urls: ['192.0.2.1:4222', '[2001:db8::1]:4222'],
};

export const liveDecoders: readonly Decoder[] = [
  {
    what: 'a request to the HTTP API',
    covers: ['requester/api/routes.ts', 'requester/api/event-streams.ts', 'requester/api/login.ts'],
    form: 'text',
    valid: requests,
    share: 0.1,
    isExpected: never,
    read: input => callApi(String(input)),
    mayRefuseValid: true,
    release: async () => {
      await api?.stop();
      api = undefined;
    },
  },
  {
    what: 'a query of the HTTP API',
    covers: ['requester/api/node-query.ts'],
    form: 'text',
    valid: fc.constantFrom(
      'filter-approval=approved&filter-status=healthy',
      'labels=zone+in+%28a%2Cb%29%2C%21spot%2Ccores%3E4&order_by=available_cpu&reverse=true&limit=7',
    ),
    share: 0.1,
    isExpected: never,
    read: input => {
      // What no path may contain is escaped. So the query reaches the rules about it.
      const query = String(input)
        .toWellFormed()
        .replace(/[^!-~]|#/gu, encodeURIComponent);
      return callApi(
        `GET /api/v1/orchestrator/nodes?${query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
      );
    },
  },
  {
    what: "an answer in the requester's place, to a command",
    covers: [
      'api/client.ts',
      'api/requests.ts',
      'api/one-server.ts',
      'api/signed-in.ts',
      'api/read-response.ts readBody',
    ],
    form: 'json',
    valid: shownNodes.map(node => ({ Nodes: [node] })),
    share: 0.05,
    wrap: content =>
      Buffer.concat([
        Buffer.from(
          `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${content.length}\r\nConnection: close\r\n\r\n`,
        ),
        content,
      ]),
    isExpected: isMusterError,
    read: async input => {
      await impostor.listen(undefined);
      impostor.answerWith(input as Buffer);
      return new ApiClient({ host: '127.0.0.1', port: impostor.port }).nodes({});
    },
    release: () => impostor.close(),
  },
  {
    what: "a line of a stream of nodes in the requester's place",
    covers: ['api/node-list.ts openNodeList'],
    form: 'json',
    valid: shownNodes,
    share: 0.05,
    wrap: content => {
      const head = {
        Nodes: 1,
        Requesters: 0,
        At: '2026-01-01T12:00:00Z',
        State: 'ready',
        Reason: '',
        Widths: {},
      };
      return Buffer.concat([
        Buffer.from(
          `HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n${JSON.stringify(head)}\n`,
        ),
        content,
        Buffer.from('\n'),
      ]);
    },
    isExpected: isMusterError,
    read: async input => {
      await impostor.listen(undefined);
      impostor.answerWith(input as Buffer);
      const client = new ApiClient({ host: '127.0.0.1', port: impostor.port });
      const nodes: unknown[] = [];
      for await (const node of (await client.listNodes({})).nodes) nodes.push(node);
      return nodes;
    },
    release: () => impostor.close(),
  },
  {
    what: "a line of a stream of events in the requester's place",
    covers: ['api/event-stream.ts'],
    form: 'json',
    valid: cloudEvents,
    share: 0.05,
    wrap: content => {
      const head = 'HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n';
      return Buffer.concat([Buffer.from(head), content, Buffer.from('\n')]);
    },
    isExpected: isMusterError,
    read: async input => {
      await impostor.listen(undefined);
      impostor.answerWith(input as Buffer);
      const client = new ApiClient({ host: '127.0.0.1', port: impostor.port });
      let first: unknown;
      for await (const event of client.events({}, { onUnreadable: () => undefined })) first ??= event;
      return first;
    },
    release: () => impostor.close(),
  },
  {
    what: 'the greeting of a broker',
    covers: ['transport/greeting.ts'],
    form: 'json',
    valid: fc.constant(greeting),
    share: 0.04,
    wrap: content => Buffer.from(`INFO ${content.toString('latin1')} \r\n`, 'latin1'),
    isExpected: never,
    read: async input => {
      await greeter.listen(undefined);
      greeter.answerWith(input as Buffer);
      const why = await whyNotLetIn(`nats://127.0.0.1:${greeter.port}`, { token: 'x' }, undefined);
      assert.equal(typeof why, 'string');
      assert.ok(String(why).length < 1_000);
      return true;
    },
    release: () => greeter.close(),
  },
  {
    what: 'a line to the socket of a role',
    covers: ['system/role-socket.ts holdFolder'],
    form: 'json',
    valid: fc.constantFrom({ command: 'status' }, { command: 'join', code: 'muster1.x', move: true }),
    share: 0.1,
    isExpected: never,
    read: async input => {
      heldFolder ??= mkdtempSync(join(tmpdir(), 'muster-fuzz-'));
      held ??= await holdFolder(heldFolder, request => ({ got: request }), String);
      // A line break in the middle ends the request.
      const answer = await exchange(
        join(heldFolder, 'control.sock'),
        Buffer.concat([input as Buffer, Buffer.from('\n')]),
      );
      if (answer === '') return undefined;
      const { value, error } = JSON.parse(answer) as Record<string, unknown>;
      assert.ok((value === undefined) !== (error === undefined), answer);
      return value;
    },
    release: async () => {
      await held?.close();
      if (heldFolder !== undefined) rmSync(heldFolder, { recursive: true });
      held = undefined;
      heldFolder = undefined;
    },
  },
  {
    what: 'the answer of a role',
    covers: ['system/role-socket.ts askHolder', 'system/socket-request.ts'],
    form: 'json',
    valid: fc.constantFrom({ value: { role: 'agent', pid: 1 } }, { error: 'no', hint: 'try again' }),
    share: 0.1,
    mayRefuseValid: true,
    isExpected: isMusterError,
    read: async input => {
      if (roleFolder === undefined) {
        roleFolder = mkdtempSync(join(tmpdir(), 'muster-fuzz-'));
        await role.listen(join(roleFolder, '.abcdef.sock'));
        symlinkSync('.abcdef.sock', join(roleFolder, 'control.sock'));
      }
      role.answerWith(input as Buffer);
      return askHolder(roleFolder, { command: 'status' });
    },
    release: () => {
      role.close();
      if (roleFolder !== undefined) rmSync(roleFolder, { recursive: true });
      roleFolder = undefined;
    },
  },
];
