// A server of the test in place of a requester, and the refusal that a client makes of its answer.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { TestContext } from 'node:test';
import { MusterError } from '../../agent/system/errors.ts';

export interface AnsweringServer {
  port: number;
  /** The requests so far, as `note` writes them down. */
  seen: string[];
}

/** Answers on a free port by `handler` until the test ends. */
export async function answering(
  t: TestContext,
  handler: RequestListener,
  note = ({ method, url }: IncomingMessage): string =>
    `${method} ${url?.replace('/api/v1/orchestrator/', '')}`,
): Promise<AnsweringServer> {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(note(request));
    handler(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  return { port: typeof address === 'object' && address ? address.port : 0, seen };
}

/** Returns the error with which `work` is refused. */
export async function refusal(work: Promise<unknown>): Promise<MusterError> {
  const error = await work.then(
    () => assert.fail('it was not refused'),
    caught => caught,
  );
  assert.ok(error instanceof MusterError, String(error));
  return error;
}
