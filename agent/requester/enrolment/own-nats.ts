// Settles what a NATS of one's own is worth: whether it asks this requester whom to let in. If it does, its questions are
// answered; if not, nothing protects the nodes there, and the requester says so or refuses to serve.
import type { AccountKeys } from '../../protocol/account-keys.ts';
import type { SigningKey } from '../../protocol/signed-token.ts';
import { type Clock, sleep } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import type { Log } from '../../system/log.ts';
import { backoff, type Random } from '../../system/random.ts';
import { BrokerError, type Connection, type Subscription } from '../../transport/port.ts';
import { BrokerServers } from './broker-servers.ts';
import { Callout } from './callout.ts';
import type { CalloutBox } from './callout-box.ts';
import type { NatsTrial, Trust } from './nats-trial.ts';

export interface OwnNatsOptions {
  trial: Pick<NatsTrial, 'run' | 'isTrial'>;
  box: CalloutBox;
  /** The key that signs the answers. */
  issuer: SigningKey;
  /** The setting `requester.requireIdentity`. */
  requireIdentity: boolean;
  /** Whether the settings open subjects for approved nodes, which needs a NATS that asks. */
  opensSubjects: boolean;
}

export interface OwnNatsWatch extends OwnNatsOptions {
  connection: Connection;
  /** The accounts on a NATS with an operator. */
  accounts?: AccountKeys | undefined;
  clock: Clock;
  random: Random;
  log: Log;
  /** Called when the NATS protects the nodes in another way than at the start. */
  onLost(error: MusterError): void;
}

export class OwnNats {
  readonly #options: OwnNatsWatch;
  readonly #stopping = new AbortController();
  #states: Subscription | undefined;
  #trust: Trust | undefined;
  /** Number of times that the connection was made again. */
  #links = 0;
  #callout: Callout | undefined;

  constructor(options: OwnNatsWatch) {
    this.#options = options;
  }

  /** What protects the nodes; undefined until that was found out. */
  get trust(): Trust | undefined {
    return this.#trust;
  }

  /**
   * Returns what receives the questions of the NATS; undefined when it asks nobody, or somebody else. It asks the NATS only
   * once. @throws MusterError `bad_config` for a NATS that asks unsafely, or does not ask when `requireIdentity` is set;
   * BrokerError when that cannot be found out now.
   */
  async settle(): Promise<Callout | undefined> {
    if (this.#trust === undefined) {
      const trust = await this.#findTrust();
      this.#trust = trust;
      this.#begin(trust);
    }
    return this.#callout;
  }

  /** As `Callout.finish`. */
  async finish(): Promise<void> {
    await this.#callout?.finish();
  }

  stop(): void {
    this.#stopping.abort();
    this.#states?.unsubscribe();
    this.#callout?.stop();
  }

  #begin(trust: Trust): void {
    const { connection, clock, log, box, trial, opensSubjects } = this.#options;
    if (trust === 'shared') {
      log.warn({}, sharedText);
      if (opensSubjects) log.warn({}, nothingOpenedText);
    } else {
      const own = { box, servers: new BrokerServers(connection, clock), isTrial: trial.isTrial };
      this.#callout = new Callout({ ...this.#options, own });
      log.info({}, 'the NATS asks this requester whom to let in: each node is known by its key');
    }
    // Another server, or the same one after a restart, may have another configuration.
    this.#states = connection.onState(({ kind }) => {
      if (kind === 'connected') void this.#findAgain(trust);
    });
  }

  async #findTrust(): Promise<Trust> {
    const { trial, requireIdentity } = this.#options;
    const trust = await trial.run();
    if (trust === 'shared' && requireIdentity) throw notIdentified();
    return trust;
  }

  async #findAgain(before: Trust): Promise<void> {
    const { connection, clock, random, log, onLost } = this.#options;
    const { signal } = this.#stopping;
    const link = ++this.#links;
    for (let failures = 0; !signal.aborted && link === this.#links; failures++) {
      await connection.connected(signal).catch(() => undefined);
      try {
        const trust = await this.#findTrust();
        // Another link may have been made meanwhile, to another server.
        if (link !== this.#links) return;
        if (trust !== before && !signal.aborted) onLost(changed(before));
        return;
      } catch (error) {
        if (error instanceof MusterError) return onLost(error);
        if (!(error instanceof BrokerError)) throw error;
        log.debug({ err: error }, 'the NATS could not be tried out; trying again');
        await sleep(clock, backoff(random, failures, 200, 5_000), signal);
      }
    }
  }
}

/** The warning at a start on a NATS that does not ask this requester whom to let in. */
const sharedText =
  'on a shared NATS nobody checks which node speaks: approval is bookkeeping there, and protects nothing; see: muster broker config';

const nothingOpenedText =
  'broker.approved opens nothing here: the NATS alone says which subjects a node may use. Let it ask this requester (muster broker config), or remove broker.approved and have the operator of the NATS permit the subjects';

const notIdentified = (): MusterError =>
  new MusterError(
    'bad_config',
    'the NATS in nats.servers does not ask this requester whom to let in, and requester.requireIdentity is set',
    {
      hint: 'put what this prints into the configuration of each of its servers, and start them again: muster broker config',
    },
  );

const changed = (before: Trust): MusterError =>
  new MusterError(
    'bad_config',
    before === 'keys'
      ? 'the NATS in nats.servers does not ask this requester any more whom to let in'
      : 'the NATS in nats.servers asks this requester now whom to let in, which it did not before',
    {
      hint:
        before === 'keys' ? 'correct its configuration: muster broker config' : 'start the requester again',
    },
  );
