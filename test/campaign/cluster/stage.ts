// The stage of the campaign against a cluster: three NATS servers, each at a site of its own, two requesters at two of the
// sites, and agents. Each has a disk of its own where one may be mounted.
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { connect as connectSystem } from 'nats';
import { loadBrokerAccess } from '../../../agent/broker/broker-access.ts';
import { readJoinCode } from '../../../agent/protocol/join-code.ts';
import { askHolder } from '../../../agent/system/role-socket.ts';
import { keyPairOf } from '../../../agent/transport/key-pair.ts';
import type { CopyingConnection } from '../../../agent/transport/port.ts';
import { Cluster } from '../../support/cluster.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/listener.ts';
import { NatsSites, sites } from '../../support/nats-sites.ts';
import { startConnection } from '../../support/open-connection.ts';
import { type Finished, muster, Program } from '../../support/program.ts';
import type { Values } from '../../support/settings-text.ts';
import { mountStoreDisk, type SmallDisk } from '../../support/small-disk.ts';
import { ProcessLog } from '../process-log.ts';
import { Requester } from './requester.ts';

/** After this silence a node is UNHEALTHY. It is longer than what it takes to leave a server that was killed. */
export const disconnectedAfterMs = 10_000;
/** The campaign sets clocks ahead and behind by half a day, so that two of them are a day apart. */
export const clockStepMs = 43_200_000;

const settings: Values = {
  'compute.heartbeatFrequency': '1s',
  'compute.resourceUpdateFrequency': '2s',
  'compute.infoUpdateFrequency': '2s',
  'requester.heartbeatFrequency': '500ms',
  'requester.nodeDisconnectedAfter': `${disconnectedAfterMs}ms`,
  'requester.nodeUnknownAfter': `${2 * disconnectedAfterMs}ms`,
};

/** What a requester logs at the end of a hold. */
const heldVerdicts = /"msg":"verdicts on silent nodes are given again"/;

/** The login of the campaign in the account of the servers, which removes members as an operator does. */
const systemLogin = { user: 'sys', pass: 'sys' };

export class ClusterStage {
  readonly cluster: Cluster;
  readonly nats: NatsSites;
  readonly requesters: readonly [Requester, Requester];
  readonly agentIds: readonly string[];
  /** The ids of all requesters that there were. */
  readonly requesterIds: string[] = [];
  readonly logs = new Map<string, ProcessLog>();
  readonly #agents = new Map<string, Program>();
  readonly #disks = new Map<string, SmallDisk>();
  /** The key of the witnesses, who are let in as requesters are. */
  readonly #witnessKey = keyPairOf(crypto.getRandomValues(new Uint8Array(32)), 'user');

  /** Makes folders, keys and disks, and starts the servers. The caller releases the stage. */
  static async create(agents: number): Promise<ClusterStage> {
    const nats = await NatsSites.make();
    const cluster = await Cluster.create({ servers: nats.urlsAt(0).join(','), asks: true, settings });
    const stage = new ClusterStage(cluster, nats, agents, await freePort());
    try {
      await mkdir(join(cluster.folder, 'logs'));
      for (const site of sites) await stage.#mountDisk(`server ${site}`, stage.storeOf(site));
      for (const { id } of stage.requesters) await stage.#mountDisk(id, cluster.folderOf(id));
      await stage.shareKeys(stage.requesters[0].id, stage.requesters[1].id);
      await nats.start(await stage.#serverConfig(stage.requesters[0].id));
      return stage;
    } catch (error) {
      await stage.release(false);
      throw error;
    }
  }

  private constructor(cluster: Cluster, nats: NatsSites, agents: number, port: number) {
    this.cluster = cluster;
    this.nats = nats;
    this.requesters = [
      new Requester(this, 'node-0', 0, cluster.apiPort),
      new Requester(this, 'node-b', 1, port),
    ];
    this.requesterIds.push(...this.requesters.map(({ id }) => id));
    this.agentIds = Array.from({ length: agents }, (_, index) => `agent-${index}`);
  }

  /** Returns the processes of the program that run now, with the name of each. */
  get programs(): [string, Program][] {
    return [...this.requesters.map(({ id, program }): [string, Program] => [id, program]), ...this.#agents];
  }

  /** Returns the place of the requester that watches, as far as one of them knows. */
  async watcher(): Promise<0 | 1> {
    let place: 0 | 1 = 0;
    await eventually('a requester watches', async () => {
      for (const each of this.requesters) {
        const watcher = (await each.status())?.watcher;
        const found = this.requesters.findIndex(({ id }) => id === watcher);
        if (found < 0) continue;
        place = found === 0 ? 0 : 1;
        return true;
      }
      return false;
    });
    return place;
  }

  /** Returns the site of the server that takes the writes of the node info store. */
  async leaderSite(): Promise<number> {
    let site = -1;
    await eventually('the store has a leader', async () => {
      const status = await this.requesters[await this.watcher()].status();
      const leader = status?.store?.find(({ stream }) => stream === 'KV_node_v1')?.leader;
      site = this.nats.siteOf(leader ?? '');
      return site >= 0;
    });
    return site;
  }

  async startAgent(id: string): Promise<void> {
    const site = this.agentIds.indexOf(id) % sites.length;
    const servers = this.nats.urlsAt(site).join(',');
    this.#agents.set(
      id,
      await this.cluster.agent(id, { 'nats.servers': servers }, { wait: false, ...this.options(id) }),
    );
  }

  /** Connects a witness to the server of a site, past all ways that may be cut. */
  connectWitness(site: number): CopyingConnection {
    const credentials = () => ({ key: this.#witnessKey });
    return startConnection(this.nats.server(site).url, { name: 'witness', credentials });
  }

  /** Makes a code by which simulated nodes come in. A requester must run. */
  async newJoinToken(): Promise<string> {
    const reading = readJoinCode(await this.cluster.newJoinCode());
    if (reading.kind !== 'valid') throw new Error(`the join code of the requester is ${reading.kind}`);
    return reading.code.token;
  }

  /** Returns the disk of a requester, by its id, or of `server N`; undefined where none may be mounted. */
  disk(name: string): SmallDisk | undefined {
    return this.#disks.get(name);
  }

  /** Returns where the server of a site keeps its store. */
  storeOf(site: number): string {
    return join(this.nats.server(site).folder, 'store');
  }

  /** Deletes what the server of a site stored. It must not be running. */
  async emptyServer(site: number): Promise<void> {
    const folder = this.storeOf(site);
    for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true });
  }

  /** Removes a server that does not come back from the cluster, as an operator does. */
  async removeMember(name: string): Promise<void> {
    const servers = sites.map(site => this.nats.server(site).url);
    await eventually(
      `the cluster has removed ${name}`,
      async () => {
        const link = await connectSystem({ servers, ...systemLogin, reconnect: false }).catch(
          () => undefined,
        );
        if (!link) return false;
        try {
          const body = JSON.stringify({ peer: name });
          const answer = await link.request('$JS.API.SERVER.REMOVE', body, { timeout: 2_000 });
          // A member that an earlier attempt removed is not found.
          const { success, error } = answer.json<{ success?: boolean; error?: { err_code: number } }>();
          return success === true || error?.err_code === peerNotFound;
        } catch {
          return false;
        } finally {
          await link.close();
        }
      },
      60_000,
    );
  }

  /** Hands the keys of a requester to a new one, by the commands. */
  async shareKeys(from: string, to: string): Promise<void> {
    const file = join(this.cluster.folder, `${to}.json`);
    await this.run('broker', 'share-keys', '--save', file, '--data-dir', this.cluster.folderOf(from));
    await this.run('broker', 'take-keys', file, '--data-dir', this.cluster.folderOf(to));
  }

  /** Gives all servers the configuration with the present requesters, one after the other. */
  async reconfigureServers(from: string): Promise<void> {
    this.nats.reconfigure(await this.#serverConfig(from));
    for (const site of sites) {
      await this.nats.server(site).stop();
      await this.nats.startServer(site);
      await this.untilStored();
    }
  }

  /** Resolves once a requester says that all servers have all streams. */
  async untilStored(): Promise<void> {
    let last = 'no answer';
    const names = sites.map(site => this.nats.nameOf(site)).sort();
    await eventually(
      'all servers store everything',
      async () => {
        const answers = await Promise.all(this.requesters.map(each => each.status()));
        last = JSON.stringify(answers.map(answer => answer?.store ?? answer?.troubles ?? 'no answer'));
        return answers.some(
          answer =>
            answer?.store?.length === 3 &&
            answer.store.every(
              ({ leader, others }) =>
                leader !== undefined &&
                others.every(({ current }) => current) &&
                [leader, ...others.map(({ server }) => server)].sort().join() === names.join(),
            ),
        );
      },
      180_000,
    ).catch(cause => {
      throw new Error(`the servers do not store everything: ${last}`, { cause });
    });
  }

  /** Runs a command to its end. @throws Error when it fails. */
  async run(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await muster(args);
    if (code !== 0) throw new Error(`muster ${args.join(' ')} ended with ${code}: ${stderr}`);
    return stdout;
  }

  /** Runs an operator's command, which knows both requesters. */
  command(...args: string[]): Promise<Finished> {
    const servers = this.requesters.map(({ port }) => `127.0.0.1:${port}`).join(',');
    const token = join(this.requesters[0].folder, 'requester', 'operator.token');
    return muster([...args, '--api-servers', servers, '--api-token-file', token]);
  }

  /** Does what `muster agent register` does. An agent that does not run does not answer. */
  async registerAgent(id: string): Promise<void> {
    const folder = join(this.cluster.folderOf(id), 'agent');
    await askHolder(folder, { command: 'register' }).catch(() => undefined);
  }

  /** Begins to back up the roll on the machine of a requester. */
  startBackup(id: string, file: string): Program {
    return new Program(['backup', file, '--config', join(this.cluster.folder, `${id}-requester.yaml`)]);
  }

  /** Begins to move the store to one server, or to three, on the machine of the first requester. */
  startMove(to: 'lower' | 'raise'): Program {
    const config = join(this.cluster.folder, `${this.requesters[0].id}-requester.yaml`);
    return new Program(['store', to, '--yes', '--config', config]);
  }

  /** Restores a backup on the machine of a requester, over the cluster of which it is. */
  async restore(id: string, file: string, clusterId: string): Promise<void> {
    const config = join(this.cluster.folder, `${id}-requester.yaml`);
    await this.run('restore', file, '--config', config, '--replace', clusterId, '--replicas', '3');
  }

  /** Says that a restored store is the right one, when a requester asks for that. */
  async confirmOlderStore(requester: Requester): Promise<void> {
    let isOlder = false;
    await eventually(
      `${requester.id} has read the store`,
      async () => {
        const status = await requester.status();
        isOlder = status?.troubles?.some(({ code }) => code === 'store_older') === true;
        return isOlder || status?.state === 'ready';
      },
      60_000,
    );
    if (!isOlder) return;
    const token = join(requester.folder, 'requester', 'operator.token');
    await this.run('store', 'confirm', '--api-port', String(requester.port), '--api-token-file', token);
  }

  /** Mounts a disk for a requester that is new here. */
  async mountFor(id: string): Promise<void> {
    await this.#mountDisk(id, this.cluster.folderOf(id));
  }

  /** Returns how a process of the program is started, so that its log is a file. */
  options(name: string): { stderr: number; env: Record<string, string> } {
    const { folder } = this.cluster;
    const log =
      this.logs.get(name) ?? new ProcessLog(name, join(folder, 'logs', `${name}.log`), heldVerdicts);
    this.logs.set(name, log);
    return {
      stderr: log.descriptor,
      env: { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(folder, 'code') },
    };
  }

  /** Returns the last lines of the log of a process, for a person who asks why it failed. */
  async logEndOf(name: string): Promise<string> {
    const text = await readFile(this.logs.get(name)?.path ?? '', 'utf8').catch(() => '');
    return text.slice(-2_000);
  }

  /** Ends all processes and removes the folders, but for the logs if `keep` is true. */
  async release(keep: boolean): Promise<void> {
    this.nats.mend();
    for (const disk of this.#disks.values()) await disk.makeRoom().catch(() => undefined);
    await this.cluster.release(true);
    for (const site of sites) await this.nats.server(site).kill();
    for (const disk of this.#disks.values()) await disk.release();
    await this.nats.release();
    if (!keep) await rm(this.cluster.folder, { recursive: true, force: true });
  }

  async #mountDisk(name: string, folder: string): Promise<void> {
    await mkdir(folder, { recursive: true });
    const disk = await mountStoreDisk(folder);
    if (disk) this.#disks.set(name, disk);
  }

  /** Returns the lines by which the servers ask the requesters, made in the folder of one of them. */
  async #serverConfig(from: string): Promise<string> {
    const keys = await Promise.all(this.requesters.map(({ id }) => this.#publicKeyOf(id)));
    const all = [...keys, this.#witnessKey.publicKey].join(',');
    const folder = this.cluster.folderOf(from);
    const printed = await this.run('broker', 'config', '--data-dir', folder, '--broker-requesters', all);
    const { user, pass } = systemLogin;
    const lines = printed.replace(
      '  SYS {\n',
      `  SYS {\n    users: [ { user: ${user}, password: ${pass} } ]\n`,
    );
    return lines;
  }

  async #publicKeyOf(id: string): Promise<string> {
    const access = await loadBrokerAccess(join(this.cluster.folderOf(id), 'requester'));
    return access.requester.publicKey;
  }
}

/** What JetStream answers when it has no such member. */
const peerNotFound = 10_044;
