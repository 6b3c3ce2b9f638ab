// Finds out whether a NATS of one's own asks this requester whom to let in, and whether it does so safely. A stranger knocks
// at each server, and the server must ask about it.
import * as v from 'valibot';
import { accountId } from '../../protocol/account-keys.ts';
import {
  type CalloutQuestion,
  calloutSubject,
  nodesAccount,
  writeCalloutAnswer,
} from '../../protocol/callout.ts';
import { ProtocolError } from '../../protocol/error.ts';
import { parseJson } from '../../protocol/json.ts';
import { validate } from '../../protocol/schema.ts';
import { MusterError } from '../../system/errors.ts';
import type { KeyPair } from '../../transport/key-pair.ts';
import { BrokerError, type Connection } from '../../transport/port.ts';
import { type BrokerClient, endClient, listServers, listWaiting } from './broker-clients.ts';
import { noOperator, notAsked, OperatorTrial, type OperatorTrialOptions } from './operator-trial.ts';
import {
  type Asked,
  askTimeoutMs,
  isLost,
  isSilent,
  TrialKnocks,
  type TrialKnocksOptions,
} from './trial-knocks.ts';

export interface NatsTrialOptions extends TrialKnocksOptions {
  connection: Connection;
  /** The setting `nats.servers`. */
  servers: readonly string[];
  /** The key of a user of another account, about whom no server may ask. */
  bystander: KeyPair;
  /** Returns a key that nobody knows. */
  newKey(): KeyPair;
  /** What differs on a NATS with an operator; undefined on any other. */
  operatorMode?: Omit<OperatorTrialOptions, 'issuer'> | undefined;
}

/** What protects the nodes on a NATS of one's own. In `shared` mode it is nothing; `keys` means that keys are checked. */
export type Trust = 'keys' | 'shared';

/** What was found out about one server. */
interface Tried {
  url: string;
  kind: 'asks' | 'decides' | 'unreachable';
  faults: string[];
  /** The error when nobody heard the requester list and end connections there. */
  unheard?: BrokerError | undefined;
}

const userSchema = v.object({
  data: v.object({
    account: v.string(),
    permissions: v.optional(
      v.object({ subscribe: v.optional(v.object({ allow: v.optional(v.array(v.string()), []) })) }),
    ),
  }),
});

export class NatsTrial {
  readonly #options: NatsTrialOptions;
  readonly #knocks: TrialKnocks;
  readonly #operatorMode: OperatorTrial | undefined;

  constructor(options: NatsTrialOptions) {
    this.#options = options;
    this.#knocks = new TrialKnocks(options);
    const { operatorMode, issuer } = options;
    this.#operatorMode = operatorMode && new OperatorTrial({ ...operatorMode, issuer });
  }

  /** Returns whether a question is about a trial. The requester that makes it answers by itself. */
  isTrial = (question: CalloutQuestion): boolean => this.#knocks.isKnock(question);

  /**
   * Tries all servers that can be reached. @throws MusterError `bad_config` when they ask this requester, but not safely;
   * BrokerError when that cannot be found out now.
   */
  async run(): Promise<Trust> {
    const { connection, servers } = this.#options;
    const operatorMode = this.#operatorMode;
    const account = await this.#ownAccount();
    const expected = accountId(nodesAccount, operatorMode?.accounts);
    // Such accounts were made for nothing but this, so anything else is a mistake.
    if (operatorMode && account !== expected) throw noOperator(account);
    if (account === undefined) return 'shared';
    this.#knocks.unreadable = 0;
    const questions = connection.subscribe(calloutSubject, message => this.#knocks.receive(message));
    const events = operatorMode?.listen(connection);
    try {
      await connection.flush(askTimeoutMs);
      // In an account that was made for the questions, a server that says nothing is only slow.
      const isOurs = account === expected;
      const found = await Promise.all(servers.map(server => this.#tryServer(server, isOurs)));
      const faults = listFaults(found);
      if (found.every(({ kind }) => kind === 'unreachable'))
        throw new BrokerError('disconnected', 'no server could be tried');
      if (found.every(({ kind }) => kind !== 'asks')) {
        if (operatorMode && faults.length === 0) faults.push(notAsked);
        if (faults.length > 0) throw this.#unsafe(faults);
        return 'shared';
      }
      const deciding = found.filter(({ kind }) => kind === 'decides');
      if (deciding.length > 0) faults.push(`some of its servers do not ask at all${namesOf(deciding)}`);
      faults.push(...findMissingImports(found));
      if (!isOurs) faults.push(`the requester is in the account ${account} and not in ${nodesAccount}`);
      faults.push(...((await operatorMode?.checkEvents()) ?? []));
      if (faults.length > 0) throw this.#unsafe(faults);
      return 'keys';
    } finally {
      questions.unsubscribe();
      events?.unsubscribe();
    }
  }

  // Returns the account of the requester; undefined for a user who may not hear everything there, and so no questions.
  async #ownAccount(): Promise<string | undefined> {
    try {
      const answer = await this.#options.connection.request('$SYS.REQ.USER.INFO', '', askTimeoutMs);
      const { account, permissions } = validate(userSchema, parseJson(answer.data)).data;
      const allowed = permissions?.subscribe?.allow ?? [];
      return allowed.length === 0 || allowed.includes('>') ? account : undefined;
    } catch (error) {
      const isUnknown = error instanceof BrokerError && /no_responders|not_permitted/.test(error.fault);
      if (isUnknown || error instanceof ProtocolError) return undefined;
      throw error;
    }
  }

  async #tryServer(url: string, isOurs: boolean): Promise<Tried> {
    const { newKey } = this.#options;
    const knocks = this.#knocks;
    const knocked = () => knocks.knock(url, newKey(), { answer: asked => this.#letIn(asked) });
    let stranger = await knocked();
    // A subscription takes a moment to reach the other servers of a cluster.
    if (!stranger.asked && stranger.outcome === 'silent') stranger = await knocked();
    if (!stranger.asked) {
      if (stranger.outcome === 'unreachable') return { url, kind: 'unreachable', faults: [] };
      if (stranger.outcome === 'silent' && knocks.unreadable === 0 && isOurs) throw isSilent(url);
      const isForOther = stranger.outcome === 'silent' && knocks.unreadable > 0;
      return { url, kind: 'decides', faults: isForOther ? [otherKey] : [] };
    }
    const { asked, greeting, outcome } = stranger;
    if (isLost(stranger)) throw isSilent(url);
    const unheard = await this.#tryMonitor(asked.question);
    const faults: string[] = [];
    if (!asked.isEncrypted) faults.push('xkey is missing, so other servers on the way can read join codes');
    if (!asked.question.nonce || !greeting?.hasNonce)
      faults.push('the servers send no nonce, because no user with an nkey is configured');
    if (greeting && asked.question.server !== greeting.server)
      faults.push('somebody else than its servers asks');
    // The accounts of an operator are tried one by one.
    if (outcome !== 'in' && !this.#operatorMode) faults.push(otherIssuer);
    const more = this.#operatorMode
      ? await this.#operatorMode.tryServer(url, knocks, newKey)
      : await this.#tryBystander(url);
    return { url, kind: 'asks', faults: [...faults, ...more], unheard };
  }

  async #tryBystander(url: string): Promise<string[]> {
    const knocked = await this.#knocks.knock(url, this.#options.bystander);
    if (knocked.asked)
      return ['allowed_accounts is missing, so the users of other accounts cannot log in any more'];
    if (isLost(knocked)) throw isSilent(url);
    return knocked.outcome === 'in' ? [] : ['the account MUSTER_BYSTANDER is missing or changed'];
  }

  // Lets a knock in, which may do nothing there. A server that gets no answer waits for ten seconds, and then warns of that in
  // its log.
  #letIn({ question, answer }: Asked): void {
    const permissions = { publish: [], subscribe: [], mayAnswer: false };
    const accounts = this.#operatorMode?.accounts;
    answer(
      writeCalloutAnswer(question, { account: nodesAccount, permissions }, this.#options.issuer, accounts),
    );
  }

  // The requester lists and ends connections, as it will do with those of nodes. That of the knock has ended already. Returns
  // the error when nobody there hears that.
  async #tryMonitor(place: Pick<BrokerClient, 'server' | 'connection'>): Promise<BrokerError | undefined> {
    const { connection } = this.#options;
    try {
      await listServers(connection);
      await listWaiting(connection, this.#operatorMode?.accounts, [place.server]);
      await endClient(connection, place);
      return undefined;
    } catch (error) {
      if (error instanceof BrokerError && error.fault === 'no_responders') return error;
      throw error;
    }
  }

  #unsafe(faults: readonly string[]): MusterError {
    const text = `the NATS in nats.servers asks whom to let in, but not as this requester needs it: ${faults.join('; ')}`;
    const hint = this.#operatorMode
      ? 'run the script that this prints again, and do what it says at its end: muster broker config --operator-mode'
      : 'put what this prints into the configuration of each server, and start it again: muster broker config';
    return new MusterError('bad_config', text, { hint });
  }
}

const otherKey = 'xkey is not that of this requester';

const otherIssuer =
  'nobody is let in whom this requester lets in, because the issuer is not the key with which it signs its answers';

/** Returns each fault once, with the servers that have it, unless that is each of those that could be tried. */
function listFaults(found: readonly Tried[]): string[] {
  const tried = found.filter(({ kind }) => kind !== 'unreachable');
  const faults = new Set(tried.flatMap(each => each.faults));
  return [...faults].map(fault => {
    const having = tried.filter(each => each.faults.includes(fault));
    return having.length === tried.length ? fault : `${fault}${namesOf(having)}`;
  });
}

/**
 * Returns the fault of a NATS where no server hears the requester list and end connections. @throws BrokerError when only some
 * do: a server that has just started is not known to the others yet.
 */
function findMissingImports(found: readonly Tried[]): string[] {
  const asking = found.filter(({ kind }) => kind === 'asks');
  const unheard = asking.flatMap(each => each.unheard ?? []);
  const [error] = unheard;
  if (!error) return [];
  if (unheard.length < asking.length) throw error;
  return ['the requester may not list and end connections: the imports from the system account are missing'];
}

const namesOf = (servers: readonly Tried[]): string => ` (at ${servers.map(({ url }) => url).join(', ')})`;
