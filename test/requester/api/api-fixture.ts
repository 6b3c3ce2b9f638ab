// Makes an API over a fake directory, and calls it.
import { once } from 'node:events';
import { type IncomingHttpHeaders, request } from 'node:http';
import type { TestContext } from 'node:test';
import { type Api, type ApiOptions, startApi } from '../../../agent/requester/api/server.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { FakeDirectory, type FakeNode } from '../../support/fake-directory.ts';
import { tokens } from '../../support/fake-operators.ts';
import { computeInfo, record, requesterNode } from '../samples.ts';

/** Returns a cluster of a requester and three nodes that wait for approval. */
export function cluster(now?: string): FakeDirectory {
  const compute = (id: string): FakeNode => ({
    state: record(id, 'PENDING'),
    health: 'HEALTHY',
    silence: 1200,
  });
  const self = requesterNode('node-0');
  const nodes = [
    { state: record('node-0', 'APPROVED', { Info: self }) },
    compute('node-1'),
    compute('node-2'),
    compute('node-3'),
  ];
  return new FakeDirectory(self, nodes, now);
}

/** Returns a node with these labels and free CPUs. */
export function node(
  id: string,
  more: Partial<FakeNode> & { labels?: Record<string, string>; cpu?: number } = {},
) {
  const { labels, cpu, ...rest } = more;
  return {
    state: record(id, 'APPROVED', { Info: computeInfo(id, labels ?? {}) }),
    health: 'HEALTHY',
    ...(cpu === undefined
      ? {}
      : {
          resources: {
            available: { CPU: cpu },
            queued: {},
            usage: undefined,
            at: new Date(0),
            protocol: 'bprotocol/v2',
          },
        }),
    ...rest,
  } satisfies FakeNode;
}

export async function serve(
  t: TestContext,
  directory: FakeDirectory,
  options: Partial<ApiOptions> = {},
): Promise<Api> {
  const api = await startApi({ directory, host: '127.0.0.1', port: 0, log: silentLog, ...options });
  t.after(() => api.stop());
  return api;
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  json(): Record<string, unknown>;
}

export interface CallOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  /** The operator's token; none when it is empty. By default a change shows a token that allows it. */
  token?: string;
}

/** Sends one request. The path is sent unchanged. `fetch` would correct it. */
export async function call(api: Api, path: string, options: CallOptions = {}): Promise<Answer> {
  const { method = 'GET', body } = options;
  const { token = method === 'GET' || method === 'HEAD' ? '' : tokens.tester } = options;
  const headers: Record<string, string> = {
    ...(token ? { Authorization: `Bearer ${token}` } : {}),
    ...options.headers,
  };
  const sent = request({ host: '127.0.0.1', port: api.port, path, method, headers, agent: false });
  // The server may close the connection before it has read the whole body.
  sent.on('error', () => undefined);
  if (body !== undefined && !headers['Transfer-Encoding']) {
    sent.setHeader('Content-Length', Buffer.byteLength(body));
  }
  sent.end(body);
  const [response] = await once(sent, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  return { status: response.statusCode, headers: response.headers, text, json: () => JSON.parse(text) };
}

/** Sends a decision about a node. */
export function put(api: Api, name: string, body: unknown, options: CallOptions = {}): Promise<Answer> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const headers = { 'Content-Type': 'application/json', ...options.headers };
  return call(api, `/api/v1/orchestrator/nodes/${name}`, { ...options, method: 'PUT', headers, body: text });
}
