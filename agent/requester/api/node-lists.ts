// Answers with a list of nodes, as one text or piece by piece as fast as the caller reads. A view is made when it is written.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { FactsCollector } from '../../output/node-columns.ts';
import { type NodeStreamHead, nodeStreamType } from '../../protocol/http-node-stream.ts';
import { ListedSeen } from '../directory/listed-seen.ts';
import { type SeenNode, viewOf } from '../directory/seen-node.ts';
import type { RequesterStatus } from '../status/requester-status.ts';
import { answer, jsonHeaders, parameters } from './answer.ts';
import type { Call } from './authorize.ts';
import { readTimeoutMs } from './connection-limits.ts';
import { inTurns } from './in-turns.ts';

/** Size of the pieces in which a list is sent, in characters. */
const pieceLength = 64 * 1024;
/** Number of nodes up to which a list is one text. It is so short that pieces of it would be no better. */
const fewNodes = 64;

/** A list of nodes, chosen and sorted at the time `now`. */
export interface ChosenNodes {
  nodes: readonly SeenNode[];
  now: Date;
  status: RequesterStatus;
}

/** The lists of one API. Those in pieces keep their nodes until the caller has read them, so only some may be open at a time. */
export class NodeLists {
  readonly #maxOpen: number;
  readonly #readTimeoutMs: number;
  #open = 0;

  constructor(maxOpen = 16, timeoutMs = readTimeoutMs) {
    this.#maxOpen = maxOpen;
    this.#readTimeoutMs = timeoutMs;
  }

  /** Returns the answer with the nodes: a line for each if the caller accepts that, and JSON as Bacalhau's otherwise. */
  async answer(call: Call, chosen: ChosenNodes): Promise<Response> {
    const { nodes } = chosen;
    const { method } = call.req;
    if (method === 'GET' && this.#open < this.#maxOpen) {
      if (call.req.header('accept')?.includes(nodeStreamType))
        return this.#inPieces(call, linesOf(nodes, await headOf(chosen)), {
          ...jsonHeaders,
          'Content-Type': nodeStreamType,
          Vary: 'Accept',
        });
      if (nodes.length > fewNodes && !parameters(call).has('pretty'))
        return this.#inPieces(call, jsonOf(nodes), jsonHeaders);
    }
    return answer(call, { NextToken: '', Nodes: nodes.map(viewOf) });
  }

  #inPieces({ env: { outgoing } }: Call, texts: Iterator<string>, headers: Record<string, string>): Response {
    // The caller may have gone meanwhile, and then nothing tells of the end.
    if (!outgoing.destroyed) {
      this.#open++;
      // Who stops reading in the middle would keep the place for ever.
      outgoing.setTimeout(this.#readTimeoutMs);
      outgoing.once('close', () => {
        this.#open--;
      });
    }
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          // Other work has its turn before each piece, however fast the caller reads.
          await nextTurn();
          let piece = '';
          while (piece.length < pieceLength) {
            const { value, done } = texts.next();
            if (done) break;
            piece += value;
          }
          if (piece === '') controller.close();
          else controller.enqueue(encoder.encode(piece));
        },
      },
      { highWaterMark: 1 },
    );
    return new Response(body, { headers });
  }
}

async function headOf({ nodes, now, status: { state, reason } }: ChosenNodes): Promise<NodeStreamHead> {
  const collector = new FactsCollector(now);
  for await (const some of inTurns(nodes)) for (const node of some) collector.add(new ListedSeen(node));
  const { requesters, widths } = collector.facts();
  return {
    Nodes: nodes.length,
    Requesters: requesters,
    At: now.toISOString(),
    State: state,
    Reason: reason ?? '',
    Widths: widths,
  };
}

function* linesOf(nodes: readonly SeenNode[], head: NodeStreamHead): Generator<string> {
  yield `${JSON.stringify(head)}\n`;
  for (const node of nodes) yield `${JSON.stringify(viewOf(node))}\n`;
}

/** Yields the parts of the text that `answer` makes of a list. */
function* jsonOf(nodes: readonly SeenNode[]): Generator<string> {
  yield '{"NextToken":"","Nodes":[';
  for (const [index, node] of nodes.entries()) yield `${index > 0 ? ',' : ''}${JSON.stringify(viewOf(node))}`;
  yield ']}\n';
}
