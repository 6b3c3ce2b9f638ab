// Answers what an orchestrator of Bacalhau asks this node about jobs: it runs none. Without an answer, a scheduler may wait.
import {
  bidResultSubject,
  encodeJobAnswer,
  encodeJobRefusal,
  encodeNoBid,
  encodeNoLogs,
  type JobMethod,
  type JobRequest,
  jobMessageSubject,
  jobRequestWildcard,
  noJobs,
  parseJobSubject,
  readJobRequest,
} from '../../protocol/job-requests.ts';
import { jobMessageReceived } from '../../protocol/ncl.ts';
import type { Clock } from '../../system/clock.ts';
import { reasonOf } from '../../system/errors.ts';
import type { LimitedLog } from '../../system/limited-log.ts';
import { TokenBuckets } from '../../system/token-buckets.ts';
import type { Connection, Message, Subscription } from '../../transport/port.ts';

export interface JobRefusalsOptions {
  node: string;
  connection: Pick<Connection, 'subscribe' | 'publish'>;
  clock: Pick<Clock, 'now' | 'monotonic'>;
  limitedLog: LimitedLog;
}

/** How many requests are read. Those beyond are refused unread, which costs little. */
const readRequests = { burst: 50, refillMs: 200 };

export class JobRefusals {
  readonly #options: JobRefusalsOptions;
  readonly #turns: TokenBuckets;
  #subscriptions: Subscription[] = [];

  constructor(options: JobRefusalsOptions) {
    this.#options = options;
    this.#turns = new TokenBuckets(readRequests, () => options.clock.monotonic());
  }

  /**
   * Begins or ends listening. The agent lets it listen only while an orchestrator answers: the broker of a requester does not
   * permit these subjects, and there nobody may make this node send anything.
   */
  listen(isWanted: boolean): void {
    if (isWanted === this.#subscriptions.length > 0) return;
    const { node, connection } = this.#options;
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
    if (!isWanted) return;
    this.#subscriptions = [
      connection.subscribe(jobRequestWildcard(node), message => this.#answer(message)),
      connection.subscribe(jobMessageSubject(node), message => void message.respond(jobMessageReceived)),
    ];
  }

  #answer(message: Message): void {
    const method = parseJobSubject(message.subject);
    // Who wants no answer gets nothing else either.
    if (method === undefined || message.reply === '') return;
    const { node, limitedLog } = this.#options;
    limitedLog.warn('asked about jobs', { node, method }, `an orchestrator asks about jobs: ${noJobs}`);
    if (method === 'ExecutionLogs') message.respond(encodeNoLogs());
    else if (!this.#turns.take('')) message.respond(encodeJobRefusal('too many requests about jobs'));
    else this.#read(method, message);
  }

  #read(method: JobMethod, message: Message): void {
    let request: JobRequest;
    try {
      request = readJobRequest(message.data);
    } catch (error) {
      message.respond(encodeJobRefusal(`error decoding ${method}: ${reasonOf(error)}`));
      return;
    }
    // A rejected bid and a cancelled execution need nothing more, because nothing runs here.
    message.respond(method === 'BidAccepted' ? encodeJobRefusal(noJobs) : encodeJobAnswer(request));
    if (method !== 'AskForBid') return;
    const { node, connection, clock } = this.#options;
    connection.publish(bidResultSubject(request.orchestrator), encodeNoBid(node, request, clock.now()));
  }
}
