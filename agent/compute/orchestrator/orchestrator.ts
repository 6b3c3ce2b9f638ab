// Remembers whether an orchestrator of Bacalhau answers this node, and of which release it is, as far as its answers tell.
import type { Answer } from '../../protocol/answers.ts';
import { type BacalhauRelease, releaseOfOrchestrator } from '../../protocol/bacalhau-releases.ts';
import { encodeHandshake, encodeShutdownNotice } from '../../protocol/ncl.ts';
import { controlSubject, type ManagementMethod, plainHeartbeatTopic } from '../../protocol/subjects.ts';
import type { Clock } from '../../system/clock.ts';
import type { Connection } from '../../transport/port.ts';
import type { MachineSurvey } from '../survey/survey.ts';

export interface OrchestratorOptions {
  node: string;
  connection: Pick<Connection, 'request'>;
  survey: Pick<MachineSurvey, 'info'>;
  clock: Pick<Clock, 'now' | 'monotonic'>;
}

export class Orchestrator {
  readonly #options: OrchestratorOptions;
  #isPresent = false;
  #release: BacalhauRelease | undefined;
  /** Called when an orchestrator answers for the first time on a connection, and when it is gone. The agent sets it. */
  onPresence: () => void = () => undefined;

  constructor(options: OrchestratorOptions) {
    this.#options = options;
  }

  /** Whether an orchestrator of Bacalhau has accepted a request on the present connection. */
  get isPresent(): boolean {
    return this.#isPresent;
  }

  /** Whether it may read heartbeats on the subject that all nodes share. */
  get readsPlainHeartbeats(): boolean {
    return this.#isPresent && this.#release?.heartbeatTopics.includes(plainHeartbeatTopic) !== false;
  }

  /** Notes an answer of whoever is the requester. A refusal that does not name muster may come from either. */
  onAnswer(method: ManagementMethod, { accepted, reason, muster }: Answer): void {
    if (muster) this.#setPresent(false);
    if (muster || !accepted) return;
    if (method === 'RegisterNode/v1') this.#release = releaseOfOrchestrator(reason);
    this.#setPresent(true);
  }

  onConnectionLost(): void {
    this.#release = undefined;
    this.#setPresent(false);
  }

  /**
   * Tells it that this node stops, so that it does not have to miss the heartbeats. Only its newer protocol has words for that. An
   * orchestrator listens to them after a handshake, which it takes from each node. @throws BrokerError when it does not answer in
   * time
   */
  async sayGoodbye(timeoutMs: number): Promise<void> {
    const { node, connection, survey, clock } = this.#options;
    if (!this.#isPresent || this.#release?.speaksNewerProtocol === false) return;
    const end = clock.monotonic() + timeoutMs;
    for (const words of [
      encodeHandshake(survey.info(), clock.now()),
      encodeShutdownNotice(node, clock.now()),
    ])
      await connection.request(controlSubject(node), words, Math.max(1, end - clock.monotonic()));
  }

  #setPresent(isPresent: boolean): void {
    if (isPresent === this.#isPresent) return;
    this.#isPresent = isPresent;
    this.onPresence();
  }
}
