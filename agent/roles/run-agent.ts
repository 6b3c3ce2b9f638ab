// Runs the agent of a compute node in the foreground, until it is told to stop.
import type { Agent } from '../compute/agent.ts';
import { readGivenCode, refuseOtherCluster } from '../compute/registration/given-code.ts';
import { NodeKey } from '../compute/registration/node-key.ts';
import type { LoadedSettings } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import { openNotifier } from '../service/open-notifier.ts';
import { withSandboxHint } from '../service/sandbox.ts';
import { endsWithin, systemClock } from '../system/clock.ts';
import { MusterError, reasonOf } from '../system/errors.ts';
import { removeLeftovers } from '../system/files.ts';
import { loadNodeId } from '../system/node-id.ts';
import { systemRandom } from '../system/random.ts';
import { describeHolder } from './describe-holder.ts';
import { giveBackMemory } from './give-back-memory.ts';
import { holdAgentFolder } from './hold-agent-folder.ts';
import { lifetime } from './lifetime.ts';
import { createReloader } from './reload.ts';
import { type RunAs, type RunningNode, runNode } from './run-node.ts';
import { starting } from './service-state.ts';
import { startRole } from './start-role.ts';

/** Time that the end of the lock may take, in milliseconds. */
const lockTimeoutMs = 100;

/** Runs the agent until it is told to stop, and returns the exit code. Throws MusterError when it cannot start. */
export async function runAgent(load: () => Promise<LoadedSettings>): Promise<number> {
  const { settings: first, log, data, folder, runtime } = await startRole('agent', load);
  let settings: Settings = first;
  let running: RunningNode | undefined;
  let ready = Promise.withResolvers<RunningNode>();
  await using cleanup = new AsyncDisposableStack();
  const lock = await withSandboxHint('agent', data, () =>
    holdAgentFolder(
      runtime,
      request => answerRoleSocket(request, running?.agent, ready.promise),
      status => `another agent holds ${folder}: ${describeHolder(status)}`,
      systemClock,
    ),
  );
  cleanup.defer(async () => void (await endsWithin(systemClock, lockTimeoutMs, lock.close())));
  const notifier = await openNotifier(log);
  cleanup.defer(() => notifier.stopping());
  notifier.setSource(() => starting);
  await removeLeftovers(folder);
  const [identity, id] = await Promise.all([
    NodeKey.load(folder),
    loadNodeId({
      folder,
      configured: settings.node.id,
      provider: settings.node.nameProvider,
      random: systemRandom,
    }),
  ]);
  const reload = createReloader(first, {
    load,
    log,
    notifier,
    async apply(next) {
      settings = next;
      await running?.apply(next);
    },
  });
  const life = lifetime(log);
  const memory = giveBackMemory(systemClock);
  cleanup.defer(() => memory.stop());
  const common = { first, settings: () => settings, folder, identity, notifier, life, log };
  for (let next: RunAs | undefined = { node: id, isStart: true }; next !== undefined; ) {
    const renamed: RunAs | undefined = await runNode({
      ...common,
      ...next,
      onRunning: started => {
        running = started;
        ready.resolve(started);
        life.onReload(reload);
      },
    });
    // Until the node runs under its new id, those who ask wait.
    running = undefined;
    ready = Promise.withResolvers();
    next = renamed;
  }
  return 0;
}

// What an agent is told while it starts waits until it can be done, so that nothing is lost.
async function answerRoleSocket(
  request: unknown,
  running: Agent | undefined,
  ready: Promise<RunningNode>,
): Promise<unknown> {
  const { command, code, move, pin } = (request ?? {}) as Record<string, unknown>;
  if (command === 'status')
    return running?.status() ?? { role: 'agent', pid: process.pid, state: 'starting' };
  if (command === 'register') {
    const { agent } = await ready;
    agent.register();
    return agent.status();
  }
  if (command === 'trust') {
    const { agent, cluster, connection } = await ready;
    await cluster.trust(String(pin));
    // The present link, if there is one, is to a broker that was trusted before.
    if (connection.state.kind !== 'connected') connection.reconnect();
    return agent.status();
  }
  if (command === 'rotate-key') {
    const { agent } = await ready;
    await agent.rotateKey();
    return agent.rotation;
  }
  if (command === 'rotation') return running?.rotation ?? { kind: 'none' };
  if (command === 'join') {
    const answering = await ready;
    await takeCode(answering, String(code), move === true);
    return answering.agent.status();
  }
  throw new MusterError('usage', `unknown command: ${reasonOf(command).slice(0, 64)}`);
}

/** Gives the agent a join code. @throws MusterError for a bad code, and for one of another cluster without `move`. */
async function takeCode({ agent, cluster }: RunningNode, text: string, move: boolean): Promise<void> {
  const code = readGivenCode(text, 'the join code', systemClock.now());
  refuseOtherCluster(cluster.known?.cluster, code, move);
  await cluster.take(code);
  agent.join();
}
