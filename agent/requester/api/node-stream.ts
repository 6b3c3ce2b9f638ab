// Answers with a list of nodes line by line, as fast as the caller reads.
import { factsOf } from '../../output/node-columns.ts';
import { type NodeStreamHead, nodeStreamType } from '../../protocol/http-node-stream.ts';
import { systemClock } from '../../system/clock.ts';
import type { NodeView } from '../directory/node-view.ts';
import type { RequesterStatus } from '../status/requester-status.ts';
import type { Call } from './authorize.ts';

/** Size of the pieces in which the lines are sent, in characters. */
const pieceLength = 64 * 1024;

/** The streams of one API. Each keeps its nodes until the caller has read them, so only some may be open at a time. */
export class NodeStreams {
  readonly #maxStreams: number;
  #open = 0;

  constructor(maxStreams = 16) {
    this.#maxStreams = maxStreams;
  }

  /** Whether `call` wants a stream, and may have one now. Otherwise it gets the list as one text. */
  isFor(call: Call): boolean {
    const wants = call.req.header('accept')?.includes(nodeStreamType) === true;
    return wants && call.req.method === 'GET' && this.#open < this.#maxStreams;
  }

  /** Returns the answer with `nodes`. `status` is that of the requester. */
  answer({ env: { outgoing } }: Call, nodes: readonly NodeView[], status: RequesterStatus): Response {
    this.#open++;
    outgoing.once('close', () => {
      this.#open--;
    });
    const lines = linesOf(nodes, status);
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          let piece = '';
          while (piece.length < pieceLength) {
            const { value, done } = lines.next();
            if (done) break;
            piece += `${JSON.stringify(value)}\n`;
          }
          if (piece === '') controller.close();
          else controller.enqueue(encoder.encode(piece));
        },
      },
      { highWaterMark: 1 },
    );
    const headers = {
      'Content-Type': nodeStreamType,
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      Vary: 'Accept',
    };
    return new Response(body, { headers });
  }
}

function* linesOf(
  nodes: readonly NodeView[],
  { state, reason }: RequesterStatus,
): Generator<NodeStreamHead | NodeView> {
  const { now, requesters, widths } = factsOf(nodes, systemClock.now());
  yield {
    Nodes: nodes.length,
    Requesters: requesters,
    At: now.toISOString(),
    State: state,
    Reason: reason ?? '',
    Widths: widths,
  };
  yield* nodes;
}
