// Reads a list of nodes as it comes: a requester of muster sends each node on a line of its own. An orchestrator of Bacalhau
// and an earlier requester send the list as one text.
import type { IncomingMessage } from 'node:http';
import { ProtocolError } from '../protocol/error.ts';
import { type NodeStreamHead, nodeStreamType } from '../protocol/http-node-stream.ts';
import { readNode, readNodeStreamHead, readNodes, type ShownNode } from './answers.ts';
import type { OneServer } from './one-server.ts';
import { parseJson, readBody, readLines } from './read-response.ts';
import type { ApiRequests } from './requests.ts';

/** A list of nodes that is being read. */
export interface NodeListing {
  /** What the requester says of the list; undefined when it sent the whole list as one text. */
  readonly head: NodeStreamHead | undefined;
  /** The nodes. Reading them throws MusterError `unreachable` when the list ends too early. */
  readonly nodes: AsyncIterable<ShownNode>;
}

/** Asks for the list at `path`. @throws MusterError */
export async function openNodeList(requests: ApiRequests, path: string): Promise<NodeListing> {
  const accept = `${nodeStreamType}, application/json`;
  const { response, server } = await requests.open(path, () => undefined, accept);
  try {
    if (!isStream(response)) {
      server.limitSilence(response);
      return { head: undefined, nodes: inTurn(await readWhole(response)) };
    }
    const lines = readLines(response, server.deadlineMs);
    const first = await lines.next();
    if (first.done) throw new ProtocolError('malformed', 'the list of nodes is empty');
    const head = readNodeStreamHead(parseJson(first.value));
    return { head, nodes: readNodeLines(lines, head, server) };
  } catch (error) {
    throw server.explain(error, { hasAnswered: true });
  }
}

const isStream = ({ headers }: IncomingMessage): boolean =>
  headers['content-type']?.startsWith(nodeStreamType) === true;

const readWhole = async (response: IncomingMessage): Promise<ShownNode[]> =>
  readNodes(parseJson(await readBody(response)));

async function* inTurn(nodes: readonly ShownNode[]): AsyncGenerator<ShownNode> {
  yield* nodes;
}

async function* readNodeLines(
  lines: AsyncIterable<string>,
  { Nodes }: NodeStreamHead,
  server: OneServer,
): AsyncGenerator<ShownNode> {
  let left = Nodes;
  try {
    for await (const line of lines) {
      left--;
      yield readNode(parseJson(line));
    }
    if (left !== 0) throw new ProtocolError('malformed', 'the list of nodes is not whole');
  } catch (error) {
    throw server.explain(error, { hasAnswered: true });
  }
}
