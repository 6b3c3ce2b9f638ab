// Waits until nodes are drained, and says meanwhile what they still run.
import type { ShownEvent, ShownNode } from '../../../api/answers.ts';
import { runningText } from '../../../output/node-text/cordon-text.ts';
import { type Clock, endsWithin } from '../../../system/clock.ts';
import { MusterError } from '../../../system/errors.ts';
import { inGroups } from '../../../system/in-groups.ts';

export interface DrainWaitOptions {
  ids: readonly string[];
  /** Returns a node as the requester shows it. @throws MusterError */
  look(id: string): Promise<ShownNode>;
  /** Returns the id that an operator gave to a node that has this one no more; undefined when nobody did, as far as is known. */
  newIdOf(id: string): Promise<string | undefined>;
  /** The events of these nodes from now on, without end, and perhaps of others. */
  events: AsyncIterable<ShownEvent>;
  clock: Clock;
  /** The longest wait, in milliseconds; undefined for no limit. */
  timeoutMs: number | undefined;
  /** Shows what is awaited of a node, each time when that changes. Of many nodes it shows how many are awaited. */
  tell(text: string): void;
  /** Called when a node is drained. */
  onDrained(id: string): void;
}

/** Time between two rounds of looks at all nodes, because an event may be missed, in milliseconds, and for how many nodes; more take longer. */
const looks = { everyMs: 1_000, nodes: 20, atOnce: 8 };
/** Number of nodes that an error names. */
const maxNamed = 20;

/** What a look at a node means for the wait. `began` is when its drain began; empty while the requester does not answer. */
type Step =
  | { kind: 'done' }
  | { kind: 'wait'; text: string; began: string }
  | { kind: 'renamed'; newId: string }
  | { kind: 'ended'; text: string };

interface Awaited {
  text: string;
  began: string;
}

/**
 * Resolves when all nodes are drained. @throws MusterError `failed` when the drain of one was ended before, or the time is
 * over, with what still runs; any error of the requester that a later request cannot change.
 */
export async function waitUntilDrained(options: DrainWaitOptions): Promise<void> {
  const { ids, events, clock, timeoutMs, tell, onDrained } = options;
  const startMs = clock.monotonic();
  const endMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : startMs + timeoutMs;
  const news = new News(events);
  const awaited = new Map<string, Awaited>(ids.map(id => [id, { text: '', began: '' }]));
  const ended: string[] = [];
  const isCrowd = ids.length > looks.nodes;
  let nextRoundMs = startMs;
  let lastCount: number | undefined;
  for (;;) {
    const nowMs = clock.monotonic();
    const isOver = nowMs >= endMs;
    const isRound = nowMs >= nextRoundMs || isOver;
    const fresh = news.take();
    await inGroups(
      [...awaited].filter(([id]) => isRound || fresh.has(id)),
      looks.atOnce,
      async ([id, known]) => {
        const step = await judge(options, id, known, news);
        if (step.kind === 'wait') {
          if (step.text !== known.text && !isCrowd) tell(step.text);
          awaited.set(id, { text: step.text, began: step.began || known.began });
          return;
        }
        awaited.delete(id);
        if (step.kind === 'done') onDrained(id);
        else if (step.kind === 'ended') ended.push(step.text);
        else {
          tell(`${id} was renamed to ${step.newId}: the drain goes on there`);
          awaited.set(step.newId, { text: '', began: known.began });
        }
      },
    );
    if (awaited.size === 0) break;
    if (isCrowd && isRound && awaited.size !== lastCount) {
      lastCount = awaited.size;
      tell(crowdText(ids.length, awaited));
    }
    if (isOver) throw tooLate([...awaited.values()].map(({ text }) => text));
    if (isRound) nextRoundMs = clock.monotonic() + looks.everyMs * Math.max(1, awaited.size / looks.nodes);
    await endsWithin(clock, Math.min(nextRoundMs, endMs) - clock.monotonic(), news.next());
  }
  const [text, ...more] = ended;
  if (text !== undefined) throw new MusterError('failed', text, { details: firstOf(more) });
}

function crowdText(count: number, awaited: ReadonlyMap<string, Awaited>): string {
  const [first] = awaited.values();
  return `${awaited.size} of ${count} nodes are not drained yet, for example: ${first?.text}`;
}

const firstOf = (texts: readonly string[]): string[] =>
  texts.length <= maxNamed
    ? [...texts]
    : [...texts.slice(0, maxNamed), `… and ${texts.length - maxNamed} more`];

async function judge(options: DrainWaitOptions, id: string, { began }: Awaited, news: News): Promise<Step> {
  try {
    const node = await options.look(id);
    // The requester takes the beginning of an id for it, when only one node has that.
    if (node.Info.NodeID !== id) return await goneFrom(id, options);
    const { Drain } = node.Muster?.Cordon ?? {};
    if (Drain?.DrainedAt) return { kind: 'done' };
    if (Drain && node.Membership === 'REJECTED') return { kind: 'ended', text: runningText(node) };
    if (Drain) return { kind: 'wait', text: runningText(node), began: Drain.At };
    // The cordon may have ended right after the work.
    if (began !== '' && (news.drainedAt.get(id) ?? '') > began) return { kind: 'done' };
    return { kind: 'ended', text: `the drain of ${id} was ended: it may have work again` };
  } catch (error) {
    if (!(error instanceof MusterError)) throw error;
    if (error.code === 'not_found') return await goneFrom(id, options);
    // A requester that is away for a moment does not end the wait.
    if (error.code !== 'unreachable') throw error;
    return { kind: 'wait', text: error.message, began: '' };
  }
}

async function goneFrom(id: string, { newIdOf }: DrainWaitOptions): Promise<Step> {
  const newId = await newIdOf(id);
  if (newId !== undefined) return { kind: 'renamed', newId };
  return { kind: 'ended', text: `${id} is not on the roll any more: nobody knows what it runs` };
}

function tooLate(texts: readonly string[]): MusterError {
  const [text = ''] = texts;
  const isOne = texts.length === 1;
  const what = isOne ? text : `${texts.length} nodes are not drained`;
  return new MusterError('failed', `the deadline has passed, and ${what}`, {
    hint: `${isOne ? 'it stays' : 'they stay'} cordoned, and the drain goes on; wait on with the same command`,
    ...(isOne ? {} : { details: firstOf(texts) }),
  });
}

/** Notes the events of the nodes. Each is a reason to look at its node again. */
class News {
  /** The time of the last event of each node that told that it is drained. */
  readonly drainedAt = new Map<string, string>();
  #fresh = new Set<string>();
  #next = Promise.withResolvers<void>();

  constructor(events: AsyncIterable<ShownEvent>) {
    // Without events, the looks tell everything, a little later.
    void this.#follow(events).catch(() => undefined);
  }

  /** Returns the nodes that events were about since the last call. */
  take(): ReadonlySet<string> {
    const fresh = this.#fresh;
    this.#fresh = new Set();
    this.#next = Promise.withResolvers();
    return fresh;
  }

  /** Resolves when there is an event that was not taken. */
  next(): Promise<void> {
    return this.#next.promise;
  }

  async #follow(events: AsyncIterable<ShownEvent>): Promise<void> {
    for await (const { type, time, subject } of events) {
      if (!/\.(cordoned|uncordoned|drained|rejected|deleted|renamed)$/.test(type)) continue;
      if (type.endsWith('.drained')) this.drainedAt.set(subject, time);
      this.#fresh.add(subject);
      this.#next.resolve();
    }
  }
}
