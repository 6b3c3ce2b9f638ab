// Runs agents whose writes fail as planned. A test leads each through a whole life, starts it again and checks its state.
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cluster } from '../support/cluster.ts';
import { compileLibrary } from '../support/compile.ts';
import { eventually } from '../support/eventually.ts';
import { type Fault, FaultyFiles } from '../support/faulty-files.ts';
import { Program } from '../support/program.ts';

/** The content of a sentinel whose write was interrupted. */
export const tornSentinel = '{"version":1,';

export class FaultyAgents {
  readonly #cluster: Cluster;
  readonly #files: FaultyFiles;
  readonly #nvmlLibrary: string;
  readonly #started: Program[] = [];

  /** Makes the agents of `cluster`, which uses the test's broker. With the native probe, each has a GPU. */
  static async of(cluster: Cluster): Promise<FaultyAgents> {
    const nvmlLibrary = await compileLibrary(
      new URL('../native/fake-nvml.c', import.meta.url),
      'libnvidia-ml.so.1',
    );
    return new FaultyAgents(cluster, await FaultyFiles.build(), nvmlLibrary);
  }

  private constructor(cluster: Cluster, files: FaultyFiles, nvmlLibrary: string) {
    this.#cluster = cluster;
    this.#files = files;
    this.#nvmlLibrary = nvmlLibrary;
  }

  /** Starts the agent of the machine `name`. It chooses its own id, so a label has the name. */
  async start(name: string, faults: readonly Fault[] = []): Promise<Program> {
    const { folder, servers } = this.#cluster;
    const dataDir = this.#dataOf(name);
    await mkdir(join(dataDir, '..'), { recursive: true });
    const settings = {
      dataDir,
      nats: { servers },
      log: { format: 'json' },
      node: { labels: { machine: name }, nvmlLibrary: this.#nvmlLibrary },
      compute: {
        heartbeatFrequency: '200ms',
        resourceUpdateFrequency: '300ms',
        infoUpdateFrequency: '300ms',
      },
    };
    const config = join(dataDir, '..', 'config.yaml');
    await writeFile(config, JSON.stringify(settings));
    const env = {
      FAKE_NVML: 'gpus=1',
      ...this.#files.environment(name, dataDir, faults),
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(folder, 'code'),
    };
    const program = new Program(['agent', '--config', config], { env });
    this.#started.push(program);
    return program;
  }

  /** Returns the steps with which the agent has changed files so far. */
  steps(name: string): Promise<string[]> {
    return this.#files.steps(name);
  }

  /** Returns the folder with the agent's state. */
  stateOf(name: string): string {
    return join(this.#dataOf(name), 'agent');
  }

  /** Leads an agent through its whole life, or until it ends because of a fault: registered, approved, deleted, stopped. */
  async live(name: string, agent: Program): Promise<void> {
    const until = async (what: string, condition: () => boolean | Promise<boolean>) => {
      await eventually(`${name}: ${what}`, async () => !agent.running || condition());
      return agent.running;
    };
    const logs = (message: RegExp) => until(String(message), () => message.test(agent.stderr));
    if (!(await logs(/"msg":"pending approval"/))) return;
    const [node] = await this.#nodesOf(name);
    const id = node?.Info.NodeID ?? '';
    await this.#cluster.decide(id, 'approve');
    if (!(await logs(/"msg":"approved"/))) return;
    const isSaved = async (file: RegExp, otherwise?: RegExp) =>
      (await this.#names(name)).some(each => file.test(each)) || otherwise?.test(agent.stderr) === true;
    const settled = async () =>
      (await isSaved(/^[^.].*\.registration\.json$/)) &&
      (await isSaved(/^inventory\.json$/, /the inventory could not be saved/)) &&
      (await isSaved(/^gpus\.json$/, /the GPUs could not be saved|running without the native probe/));
    if (!(await until('its files are saved', settled))) return;
    await this.#cluster.decide(id, 'delete');
    if (!(await logs(/this node was deleted by an operator; it is quiet/))) return;
    agent.signal('SIGTERM');
    await agent.finished;
  }

  /**
   * Starts the agent again without faults, and asserts that it is the same node, registered, with complete files and no
   * others.
   */
  async startAgain(name: string, first: Program): Promise<void> {
    const before = (await this.#nodesOf(name))[0];
    const sentinel = await this.#sentinelOf(name);
    const leftOver = (await this.#names(name)).filter(isHidden);
    const agent = await this.start(name);
    await agent.untilPrinted(/"msg":"(pending approval|approved)"/);
    const nodes = await this.#nodesOf(name);
    const [identity] = identitiesOf(agent);
    const ids = nodes.map(node => node.Info.NodeID);
    assert.deepEqual(ids, [identity?.[0]], `there is exactly one node: ${ids}`);
    assert.equal(nodes[0]?.Membership, before?.Membership ?? 'PENDING');
    for (const earlier of identitiesOf(first)) assert.deepEqual(identity, earlier, 'it is the same node');
    const { code } = await agent.stop();
    assert.equal(code, 0);
    const warnings = complaints(agent);
    assert.deepEqual(warnings, [], `there is nothing for the operator to do: ${warnings}`);
    const names = await this.#names(name);
    // A temporary file that it made while it was stopped is removed at the next start, so only earlier ones count.
    const still = leftOver.filter(each => names.includes(each));
    assert.deepEqual(still, [], `no temporary file is left over: ${still}`);
    const own = ['identity.nk', 'node.yaml', `${identity?.[0]}.registration.json`];
    // On a slow disk an agent ends before its lock and the mark of a call are removed. The next start knows what these mean.
    const others = /^(inventory|gpus)\.json$|\.bad$|^(control\.sock|nvml-called)$/;
    const whole = names.filter(each => !isHidden(each) && !others.test(each));
    assert.deepEqual(whole.sort(), own.sort(), `it has its files and no others: ${whole}`);
    if (before && sentinel)
      assert.equal((await this.#sentinelOf(name))?.session, sentinel.session, 'it did not register again');
  }

  /** Kills all agents that were started. */
  async release(): Promise<void> {
    await Promise.all(this.#started.map(program => program.kill()));
  }

  #dataOf(name: string): string {
    return join(this.#cluster.folder, 'agents', name, 'data');
  }

  async #nodesOf(name: string) {
    return (await this.#cluster.nodes()).filter(node => node.Info.Labels?.machine === name);
  }

  async #names(name: string): Promise<string[]> {
    return readdir(this.stateOf(name)).catch(() => []);
  }

  // Returns undefined for the torn sentinel that a test wrote. Any other incomplete sentinel is an error.
  async #sentinelOf(name: string): Promise<{ session: string } | undefined> {
    const file = (await this.#names(name)).find(each => /^[^.].*\.registration\.json$/.test(each));
    if (file === undefined) return undefined;
    const text = await readFile(join(this.stateOf(name), file), 'utf8');
    return text === tornSentinel ? undefined : JSON.parse(text);
  }
}

const isHidden = (name: string): boolean => name.startsWith('.');

/**
 * Returns the warnings and errors in the agent's log that an operator should not see. That something took too long is true on a
 * busy machine.
 */
export const complaints = (agent: Program): string[] =>
  agent.stderr
    .split('\n')
    .filter(line => /"level":"(warn|error|fatal)"/.test(line))
    .filter(line => !/this node was deleted by an operator|the sentinel was set aside/.test(line))
    .filter(line => !/did not answer within|took longer than/.test(line));

/** Returns the id and the fingerprint with which the agent has started. */
const identitiesOf = (agent: Program) =>
  agent.logged('the agent starts').map(line => [line.node, line.fingerprint]);
