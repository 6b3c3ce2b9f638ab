// A requester with its own broker is killed, or gets an error, at the steps by which it writes its files: at some of those of
// each file, which a seed chooses. The next start works, with the same state.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  type Fault,
  FaultyFiles,
  sentenceOf,
  someErrors,
  someKills,
  tryAll,
  whyNoFaults,
} from '../support/faulty-files.ts';
import { freePort } from '../support/listener.ts';
import { Program } from '../support/program.ts';

/** A requester mostly waits for the end of its broker, so several can run at the same time. */
const atATime = 6;

describe('a requester whose writes fail', { skip: (await whyNoFaults()) ?? false }, () => {
  let folder: string;
  let files: FaultyFiles;
  /** All steps of a requester's first run. */
  let life: string[];
  const started = new Set<Program>();

  before(async () => {
    files = await FaultyFiles.build();
    folder = await mkdtemp(join(tmpdir(), 'muster-e2e-'));
    const model = await start('model');
    await live(model);
    assert.equal((await model.finished).code, 0, model.stderr);
    life = withoutTimed(await files.steps('model'));
    for (const name of ['node.yaml', 'requester.nk', 'issuer.nk', 'operator.token', 'port', 'nats.conf'])
      assert.ok(life.includes(`rename ${name} 1`), `${name} is written: ${life}`);
  });

  after(async () => {
    // A requester that is killed leaves its broker running for the next one, so it has to stop cleanly.
    await Promise.all([...started].map(program => program.stop()));
    await rm(folder, { recursive: true, force: true });
  });

  const dataOf = (name: string) => join(folder, name, 'data');

  const hosts = new Map<string, string>();
  function hostOf(name: string): string {
    const number = hosts.size + 2;
    const host = hosts.get(name) ?? `127.0.${number >> 8}.${number & 255}`;
    hosts.set(name, host);
    return host;
  }

  async function start(name: string, faults: readonly Fault[] = []): Promise<Program> {
    const dataDir = dataOf(name);
    await mkdir(join(dataDir, '..'), { recursive: true });
    const config = join(dataDir, '..', 'config.yaml');
    const settings = {
      dataDir,
      // Each requester has its own address, so it cannot take the port of another one that will start again.
      broker: { port: 0, host: hostOf(name) },
      api: { port: await freePort() },
      log: { format: 'json' },
    };
    await writeFile(config, JSON.stringify(settings));
    const env = {
      ...files.environment(name, dataDir, faults),
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(folder, 'code'),
    };
    const program = new Program(['requester', '--config', config], { env });
    started.add(program);
    void program.finished.then(() => started.delete(program));
    return program;
  }

  /**
   * Waits until the requester is ready and stops it, or waits until it has ended by itself. One that is stopped while it starts
   * ends well too, and has only some of its files.
   */
  async function live(requester: Program): Promise<void> {
    // Several start at the same time, each with a broker, and share the processors with the other tests.
    const deadlineMs = 30_000 * atATime;
    await requester.untilPrinted(/"msg":"the requester is ready"/, deadlineMs).catch((error: unknown) => {
      if (requester.running) throw error;
    });
    requester.signal('SIGTERM');
    await requester.finished;
  }

  const saved = (name: string, file: string) =>
    readFile(join(dataOf(name), file), 'utf8').catch(() => undefined);
  /** Returns the files that must never change once they are there. */
  const lasting = (name: string) =>
    Promise.all(
      ['node.yaml', 'requester.nk', 'issuer.nk', 'operator.token', '../broker/port'].map(file =>
        saved(name, `requester/${file}`),
      ),
    );

  const temporaryIn = async (name: string) =>
    (await readdir(dataOf(name), { recursive: true }).catch(() => [])).filter(each =>
      /\.(tmp|sock)/.test(each),
    );

  /** The states of the folder from which a requester was started again. */
  const tried = new Set<string>();

  /** Returns the names and the sizes of a requester's own files, without random parts and without the broker's store. */
  async function stateOf(name: string): Promise<string> {
    const entries = await readdir(dataOf(name), { recursive: true, withFileTypes: true }).catch(() => []);
    const own = entries.filter(({ parentPath }) => !parentPath.includes('/jetstream'));
    const sized = own.map(async entry => {
      const path = join(entry.parentPath, entry.name);
      const sizeBytes = entry.isFile() ? (await stat(path)).size : '';
      return `${path.slice(dataOf(name).length).replaceAll(/[0-9a-f]{12}|\w+(?=\.sock)/g, '…')} ${sizeBytes}`;
    });
    return (await Promise.all(sized)).sort().join('\n');
  }

  /** Ends the broker that a killed requester has left, where no later one does. */
  async function endBroker(name: string): Promise<void> {
    const pid = Number(
      await readFile(join(dataOf(name), 'broker', 'nats-server.pid'), 'utf8').catch(() => '0'),
    );
    const line = pid > 0 ? await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '') : '';
    if (line.includes(dataOf(name))) process.kill(pid, 'SIGTERM');
  }

  /**
   * Starts the requester again without faults, unless another one was started with the same files before. Asserts that it is
   * the same requester with the same keys and the same token, and leaves no other files.
   */
  async function startAgain(name: string): Promise<void> {
    const state = await stateOf(name);
    if (tried.has(state)) return endBroker(name);
    tried.add(state);
    const before = await lasting(name);
    const leftOver = await temporaryIn(name);
    const requester = await start(name);
    await live(requester);
    const { code, stderr } = await requester.finished;
    assert.equal(code, 0, stderr);
    const warnings = stderr.split('\n').filter(line => /"level":"(warn|error|fatal)"/.test(line));
    const wrong = warnings.filter(line => !isExpected.test(line));
    assert.deepEqual(wrong, [], `there is nothing for the operator to do: ${wrong}`);
    const now = await lasting(name);
    assert.deepEqual(
      before.map((text, index) => text ?? now[index]),
      now,
      `no file has changed: ${before}`,
    );
    const [id, requesterKey, issuerKey, token, port] = now;
    assert.match(id ?? '', /^id: n-[0-9a-f-]{36}$/m);
    assert.match(requesterKey ?? '', /^SU[A-Z2-7]{56}\n$/);
    assert.match(issuerKey ?? '', /^SA[A-Z2-7]{56}\n$/);
    assert.match(token ?? '', /^mop_local_[\w-]{43}\n$/);
    assert.match(port ?? '', /^\d+\n$/);
    // On a slow disk a requester ends while it writes its last file. The next start removes that, so only earlier ones count.
    const still = (await temporaryIn(name)).filter(each => leftOver.includes(each));
    assert.deepEqual(still, [], `no temporary file is left over: ${still}`);
  }

  it('starts again with the same state after it was killed while it wrote any file', async () => {
    await tryAll(
      'killed',
      someKills(life),
      async (name, faults) => {
        const requester = await start(name, faults);
        await live(requester);
        assert.equal((await requester.finished).signal, 'SIGKILL', 'it reaches that step');
        await startAgain(name);
      },
      atATime,
    );
  });

  it('prints a sentence and exits with 1 after an error in any file, and starts again with the same state', async () => {
    await tryAll(
      'refused',
      someErrors(life),
      async (name, fault) => {
        const requester = await start(name, fault);
        await live(requester);
        const { code, stdout, stderr } = await requester.finished;
        assert.equal(stdout, '');
        if (code !== 0) {
          // The token of the operator is made when the broker runs, and the log tells of the broker.
          const sentence = stderr.split('\n').filter(line => !line.startsWith('{'));
          assert.match(sentence.join('\n'), sentenceOf(fault[0]), stderr);
          assert.equal(code, 1);
        }
        await startAgain(name);
      },
      atATime,
    );
  });
});

/**
 * The warnings that say nothing about files: a requester that was killed leaves its broker running, and on a busy machine a
 * broker does not answer in time.
 */
const isExpected =
  /a broker of an earlier run is still there|an event was not acknowledged|events wait for the broker|does not return our own messages/;

/**
 * Returns the steps without those that only some lives have: a life of more than a second writes the store mark once more than
 * at its start and at its end.
 */
function withoutTimed(steps: readonly string[]): string[] {
  const numberOf = (step: string) => Number(step.split(' ').at(-1));
  const marks = steps.filter(step => step.startsWith('rename store-mark.json ')).length;
  const syncs = steps.filter(step => step.startsWith('sync-folder requester ')).length;
  return steps.filter(step => {
    if (step.includes(' store-mark.json ')) return numberOf(step) <= 2;
    return !step.startsWith('sync-folder requester ') || numberOf(step) <= syncs - Math.max(0, marks - 2);
  });
}
