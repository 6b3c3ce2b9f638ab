// Says what became of an operation: it looks in the records, in the event stream, and in what this requester remembers.
import type { OperationChange, OperationView } from '../../protocol/http-operations.ts';
import { operationTime, rememberedOperations } from '../../protocol/operation.ts';
import { nodeEventsWildcard } from '../../protocol/subjects.ts';
import type { Clock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { BrokerError, type Bucket, type EventStream } from '../../transport/port.ts';
import type { Roll } from '../roll/roll.ts';
import { operationsOf } from '../roll/stored-record.ts';
import { storeFault } from '../status/store-fault.ts';
import { findChanges } from './operation-changes.ts';
import { decisionOf } from './operation-decision.ts';
import { findOperationEvents, type OperationEvents } from './operation-events.ts';
import type { OperationNotes, Wanted } from './operation-notes.ts';

export interface ExplainOptions {
  clock: Clock;
  /** The id of this requester. */
  requester: string;
  notes: OperationNotes;
  roll: Pick<Roll, 'records' | 'catchUp' | 'untold'>;
  stream: EventStream;
  /** The bucket with what is not about one node. */
  cluster: Pick<Bucket, 'watch'>;
  /** Returns the servers of the store that are away or behind. */
  serversAway(): readonly string[];
  /** Asks the other requesters, and returns those that do not answer. @throws BrokerError */
  silentRequesters(): Promise<readonly string[]>;
}

/** Number of doubts of one sort that are told. */
const maxDoubts = 5;

/** Number of nodes of one operation that are shown. */
const maxShown = 1_000;

/**
 * Says what became of an operation, as of now. @throws MusterError `unreachable` when that cannot be known now, because the
 * store does not answer or has no quorum.
 */
export async function explainOperation(operation: string, options: ExplainOptions): Promise<OperationView> {
  const { clock, requester, notes, roll, stream, cluster } = options;
  // Whatever is acknowledged before this is in memory afterwards, so that nothing that stands is called unknown.
  await roll.catchUp(requester).catch(error => throwUnknowable(error, operation, options));
  const now = clock.now();
  const nodes = nodesDecidedBy(operation, roll);
  let events: OperationEvents = { found: [], isCutShort: false };
  let changes: OperationChange[] = [];
  let unread: BrokerError | undefined;
  try {
    changes = await findChanges(cluster, operation);
    events = await findOperationEvents(stream, operation, now);
  } catch (error) {
    if (nodes.length === 0 || !(error instanceof BrokerError)) throwUnknowable(error, operation, options);
    unread = error;
  }
  const all = [...new Set([...nodes, ...events.found.map(({ node }) => node)])].slice(0, maxShown);
  const decisions = all.map(node => decisionOf(operation, node, roll, events.found));
  const underWay = notes.underWay(operation);
  const refused = notes.refused(operation);
  const isMade = decisions.length > 0 || changes.length > 0;
  const isUnknown = !isMade && underWay.length === 0 && refused.length === 0;
  const silent = isUnknown ? await askSilent(options) : [];
  const since = isUnknown ? await eventsSince(stream, operationTime(operation)) : undefined;
  return {
    ID: operation,
    MadeAt: operationTime(operation).toISOString(),
    At: now.toISOString(),
    Requester: requester,
    State: stateOf([...decisions, ...changes], underWay.length > 0, refused.length > 0),
    Decisions: decisions,
    Changes: changes,
    UnderWay: underWay.slice(0, maxShown).map(wantedOf),
    Refusals: refused.map(each => ({ ...wantedOf(each), Reason: each.reason, At: each.at })),
    ...(since ? { EventsSince: since.toISOString() } : {}),
    Doubts: doubts(isUnknown ? options.serversAway() : [], silent, events.isCutShort, unread),
  };
}

const wantedOf = ({ node = '', action, what }: Wanted) => ({
  NodeID: node,
  Action: action,
  ...(what ? { What: what } : {}),
});

function stateOf(
  made: readonly { Stands: boolean }[],
  isUnderWay: boolean,
  isRefused: boolean,
): OperationView['State'] {
  if (isUnderWay) return 'under_way';
  if (made.length > 0) return made.every(({ Stands }) => Stands) ? 'stands' : 'overtaken';
  return isRefused ? 'refused' : 'unknown';
}

/** Returns the nodes whose records, markers or waiting events name the operation. */
function nodesDecidedBy(operation: string, roll: ExplainOptions['roll']): string[] {
  const nodes: string[] = [];
  for (const [id, stored] of roll.records.entries())
    if (rememberedOperations(operationsOf(stored)).some(each => each.operation === operation)) nodes.push(id);
  return nodes;
}

/** Returns the time of the oldest event that is kept, when it is later than `at` and older ones are not kept any more. */
async function eventsSince(stream: EventStream, at: Date): Promise<Date | undefined> {
  const { isTrimmed } = await stream.fill();
  const oldest = isTrimmed ? await stream.oldest(nodeEventsWildcard) : undefined;
  return oldest && oldest.time > at ? oldest.time : undefined;
}

function doubts(
  serversAway: readonly string[],
  silent: readonly string[],
  isCutShort: boolean,
  unread: BrokerError | undefined,
): string[] {
  const away = serversAway.slice(0, maxDoubts);
  return [
    ...(away.length > 0
      ? [
          `${away.join(' and ')} ${away.length === 1 ? 'is' : 'are'} away or behind: what was sent there before may still be carried out`,
        ]
      : []),
    ...silent
      .slice(0, maxDoubts)
      .map(id => `requester ${id} does not answer: if it hangs, it may still carry out what it has got`),
    ...(isCutShort ? ['there are more events than are read, so some may not have been found'] : []),
    ...(unread ? [`the store could not be read to its end: ${unread.message}`] : []),
  ];
}

/** Returns the other requesters that do not answer; none while nobody can be asked. */
async function askSilent({ silentRequesters }: ExplainOptions): Promise<readonly string[]> {
  try {
    return await silentRequesters();
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    return [];
  }
}

function throwUnknowable(error: unknown, operation: string, { roll, requester }: ExplainOptions): never {
  if (!(error instanceof BrokerError)) throw error;
  const nodes = nodesDecidedBy(operation, roll);
  const heard =
    nodes.length > 0 ? `; ${requester} has heard of it, about ${nodes.slice(0, 3).join(', ')}` : '';
  const text = `it cannot be known now what became of operation ${operation}: ${storeFault(error)} (${error.message})${heard}`;
  throw new MusterError('unreachable', text, {
    hint: 'ask again when the store answers; muster status says what is wrong',
    cause: error,
  });
}
