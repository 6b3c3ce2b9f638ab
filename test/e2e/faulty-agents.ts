// Agents whose writes fail as a test tells them: each a machine of its own, led through a whole life, and started again.
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cluster } from '../support/cluster.ts';
import { compileLibrary } from '../support/compile.ts';
import { eventually } from '../support/eventually.ts';
import { type Fault, FaultyFiles } from '../support/faulty-files.ts';
import { Program } from '../support/program.ts';

/** What is left of a sentinel that was torn. */
export const tornSentinel = '{"version":1,';

export class FaultyAgents {
  readonly #cluster: Cluster;
  readonly #files: FaultyFiles;
  readonly #nvmlLibrary: string;
  readonly #started: Program[] = [];

  /** Agents of `cluster`, which has a broker of the test's. Where there is a probe they have a GPU. */
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

  /** Starts the agent of the machine `name`, which its label tells from others: its id is its own choice. */
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
      NODE_COMPILE_CACHE: join(folder, 'code'),
    };
    const program = new Program(['agent', '--config', config], { env });
    this.#started.push(program);
    return program;
  }

  /** The steps by which it changed files so far. */
  steps(name: string): Promise<string[]> {
    return this.#files.steps(name);
  }

  /** The folder with its state. */
  stateOf(name: string): string {
    return join(this.#dataOf(name), 'agent');
  }

  /** Leads an agent through its whole life, or as far as it comes. */
  async live(name: string, agent: Program): Promise<void> {
    const until = async (what: string, condition: () => boolean | Promise<boolean>) => {
      const text = `${name}: ${what}; it said:\n${agent.stderr}`;
      await eventually(text, async () => !agent.running || condition());
      return agent.running;
    };
    const says = (message: RegExp) => until(String(message), () => message.test(agent.stderr));
    if (!(await says(/"msg":"pending approval"/))) return;
    const [node] = await this.#nodesOf(name);
    const id = node?.Info.NodeID ?? '';
    await this.#cluster.decide(id, 'approve');
    if (!(await says(/"msg":"approved"/))) return;
    const isKept = async (file: RegExp, otherwise?: RegExp) =>
      (await this.#names(name)).some(each => file.test(each)) || otherwise?.test(agent.stderr) === true;
    const settled = async () =>
      (await isKept(/^[^.].*\.registration\.json$/)) &&
      (await isKept(/^inventory\.json$/, /the inventory could not be saved/)) &&
      (await isKept(/^gpus\.json$/, /the GPUs could not be saved|running without the native probe/));
    if (!(await until('what it keeps', settled))) return;
    await this.#cluster.decide(id, 'delete');
    if (!(await says(/this node was deleted by an operator; it is quiet/))) return;
    agent.signal('SIGTERM');
    await agent.finished;
  }

  /** Starts it again, without faults: it is the same node, registered, with whole files and nothing else. */
  async startAgain(name: string, first: Program): Promise<void> {
    const before = (await this.#nodesOf(name))[0];
    const sentinel = await this.#sentinelOf(name);
    const leftOver = (await this.#names(name)).filter(isHidden);
    const agent = await this.start(name);
    await agent.untilPrinted(/"msg":"(pending approval|approved)"/);
    const nodes = await this.#nodesOf(name);
    const [identity] = told(agent);
    const ids = nodes.map(node => node.Info.NodeID);
    assert.deepEqual(ids, [identity?.[0]], `one node, and no second: ${ids}`);
    assert.equal(nodes[0]?.Membership, before?.Membership ?? 'PENDING');
    for (const earlier of told(first)) assert.deepEqual(identity, earlier, 'the same node');
    const { code } = await agent.stop();
    assert.equal(code, 0);
    const said = complaints(agent);
    assert.deepEqual(said, [], `nothing for the operator to do: ${said}`);
    const names = await this.#names(name);
    // What it was writing itself as it was stopped is for the next start to remove.
    const still = leftOver.filter(each => names.includes(each));
    assert.deepEqual(still, [], `nothing of before is left over: ${still}`);
    const own = ['identity.nk', 'node.yaml', `${identity?.[0]}.registration.json`];
    const whole = names.filter(each => !isHidden(each) && !/^(inventory|gpus)\.json$|\.bad$/.test(each));
    assert.deepEqual(whole.sort(), own.sort(), `what it keeps, and nothing else: ${whole}`);
    if (before && sentinel)
      assert.equal((await this.#sentinelOf(name))?.session, sentinel.session, 'no new registration');
  }

  /** Ends all that were started. */
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

  // One that is not whole, and was not so from the start, is not to be found.
  async #sentinelOf(name: string): Promise<{ session: string } | undefined> {
    const file = (await this.#names(name)).find(each => /^[^.].*\.registration\.json$/.test(each));
    if (file === undefined) return undefined;
    const text = await readFile(join(this.stateOf(name), file), 'utf8');
    return text === tornSentinel ? undefined : JSON.parse(text);
  }
}

const isHidden = (name: string): boolean => name.startsWith('.');

/** The lines of its log that should make an operator look. */
export const complaints = (agent: Program): string[] =>
  agent.stderr
    .split('\n')
    .filter(line => /"level":"(warn|error|fatal)"/.test(line))
    .filter(line => !/this node was deleted by an operator|the sentinel was set aside/.test(line));

/** What it said of itself: the id and the key that others may know since. */
const told = (agent: Program) => agent.logged('the agent starts').map(line => [line.node, line.fingerprint]);
