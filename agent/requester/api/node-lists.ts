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
import { RequestFault } from './problem.ts';

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

/** Number of lists in pieces that may be open at a time, and of all long ones. Further ones are texts, and then refused. */
const maxOpen = { inPieces: 16, all: 64 };

export interface NodeListsOptions {
  /** Tests use fewer. */
  most?: typeof maxOpen | undefined;
  /** Time in milliseconds in which a caller has to read a piece. */
  readTimeoutMs?: number | undefined;
}

/** The lists of one API. Each keeps its nodes or its text until the caller has read it, so only some may be open at a time. */
export class NodeLists {
  readonly #most: typeof maxOpen;
  readonly #readTimeoutMs: number;
  readonly #open = { inPieces: 0, all: 0 };

  constructor(options: NodeListsOptions = {}) {
    this.#most = options.most ?? maxOpen;
    this.#readTimeoutMs = options.readTimeoutMs ?? readTimeoutMs;
  }

  /**
   * Returns the answer with the nodes: a line for each if the caller accepts that, and JSON as Bacalhau's otherwise.
   * @throws RequestFault 429 when too many long lists are open
   */
  async answer(call: Call, chosen: ChosenNodes): Promise<Response> {
    const { nodes } = chosen;
    const { method } = call.req;
    if (method === 'GET' && this.#open.inPieces < this.#most.inPieces) {
      if (call.req.header('accept')?.includes(nodeStreamType))
        return this.#inPieces(call, linesOf(nodes, await headOf(chosen)), {
          ...jsonHeaders,
          'Content-Type': nodeStreamType,
          Vary: 'Accept',
        });
      if (nodes.length > fewNodes && !parameters(call).has('pretty'))
        return this.#inPieces(call, jsonOf(nodes), jsonHeaders);
    }
    if (method === 'GET' && nodes.length > fewNodes) {
      if (this.#open.all >= this.#most.all)
        throw new RequestFault(
          429,
          `${this.#open.all} lists of nodes are being read already; ask again in a moment`,
        );
      this.#keepPlaces(call, ['all']);
    }
    return answer(call, { NextToken: '', Nodes: nodes.map(viewOf) });
  }

  /** Counts a list until its caller has read it or has gone. */
  #keepPlaces({ env: { outgoing } }: Call, places: readonly (keyof typeof maxOpen)[]): void {
    // The caller may have gone meanwhile, and then nothing tells of the end.
    if (outgoing.destroyed) return;
    for (const place of places) this.#open[place]++;
    outgoing.once('close', () => {
      for (const place of places) this.#open[place]--;
    });
  }

  #inPieces(call: Call, texts: Iterator<string>, headers: Record<string, string>): Response {
    this.#keepPlaces(call, ['inPieces', 'all']);
    // Who stops reading in the middle would keep the place for ever.
    call.env.outgoing.setTimeout(this.#readTimeoutMs);
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
