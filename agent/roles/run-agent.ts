// Runs the agent role in the foreground until it is told to stop.
import { Agent } from '../compute/agent.ts';
import { loadIdentity } from '../compute/registration/identity.ts';
import { Survey } from '../compute/survey/survey.ts';
import type { LoadedSettings } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import { openNotifier } from '../service/open-notifier.ts';
import { withSandboxHint } from '../service/sandbox.ts';
import { endsWithin, systemClock } from '../system/clock.ts';
import { MusterError, reasonOf } from '../system/errors.ts';
import { removeLeftovers } from '../system/files.ts';
import { loadNodeId } from '../system/node-id.ts';
import { systemRandom } from '../system/random.ts';
import { holdFolder } from '../system/role-socket.ts';
import { connect } from '../transport/nats.ts';
import { describeHolder } from './describe-holder.ts';
import { lifetime, sendReady } from './lifetime.ts';
import { ownCommand } from './own-command.ts';
import { createReloader } from './reload.ts';
import { agentState, starting } from './service-state.ts';
import { startRole } from './start-role.ts';

/** Where a broker is looked for when no server is configured: beside a requester on this machine. */
export const defaultServers = ['nats://127.0.0.1:4222'];

/** Milliseconds: a folder that does not answer holds nothing up. Together within what `muster dev` leaves an agent to stop. */
const stopDeadlines = { agent: 900, connection: 300, lock: 100 };

/** Runs until stopped; answers the exit code. Throws MusterError when it cannot start. */
export async function runAgent(load: () => Promise<LoadedSettings>): Promise<number> {
  const { settings: first, log, data, folder, runtime } = await startRole('agent', load);
  let settings: Settings = first;
  let agent: Agent | undefined;
  const lock = await withSandboxHint('agent', data, () =>
    holdFolder(
      runtime,
      request => answerRoleSocket(request, agent),
      status => `another agent holds ${folder}: ${describeHolder(status)}`,
    ),
  );
  const service = await openNotifier(log);
  try {
    service.setSource(() => starting);
    await removeLeftovers(folder);
    const [identity, node] = await Promise.all([
      loadIdentity(folder),
      loadNodeId({
        folder,
        configured: settings.node.id,
        provider: settings.node.nameProvider,
        random: systemRandom,
      }),
    ]);
    const connection = connect({
      servers: settings.nats.servers.length ? settings.nats.servers : defaultServers,
      name: node,
      credentials: () => first.nats,
      tls: first.nats.tls,
      clock: systemClock,
      random: systemRandom,
      log,
    });
    const offer = () => ({
      allocatedCapacity: settings.compute.allocatedCapacity,
      labels: settings.node.labels,
      declared: settings.node.declared,
    });
    const survey = await Survey.open(
      {
        node,
        folder,
        inventoryCommand: ownCommand('inventory-child'),
        nvmlLibrary: first.node.nvmlLibrary,
        cloudMetadata: first.node.cloudMetadata,
        log,
      },
      offer(),
    );
    const running = new Agent({
      node,
      identity,
      folder,
      // The topic changes only with a restart: the requester would call a node dead that moves before it does.
      settings: () => ({ ...settings.compute, heartbeatTopic: first.compute.heartbeatTopic }),
      connection,
      machine: survey,
      clock: systemClock,
      random: systemRandom,
      log,
      pid: process.pid,
      changed: () => service.update(),
    });
    agent = running;
    const reload = createReloader(first, {
      load,
      log,
      service,
      apply(next) {
        settings = next;
        survey.reload(offer());
        running.reload();
      },
    });
    const life = lifetime(log);
    life.onReload(reload);
    service.setSource(() =>
      agentState({
        status: running.status(),
        connection: connection.state,
        stalled: running.stalled,
        clock: systemClock,
      }),
    );
    connection.onState(() => service.update());
    running.start();
    sendReady({ ready: { role: 'agent', node } });
    await life.stopRequested;
    service.stopping();
    if (!(await endsWithin(systemClock, stopDeadlines.agent, running.stop())))
      log.warn({ node }, `${folder} does not answer: what was to be written there is not`);
    await Promise.all([survey.close(), connection.close(stopDeadlines.connection)]);
    log.info({ node }, 'stopped');
    return 0;
  } finally {
    service.stopping();
    await endsWithin(systemClock, stopDeadlines.lock, lock.close());
  }
}

async function answerRoleSocket(request: unknown, agent: Agent | undefined): Promise<unknown> {
  const { command } = (request ?? {}) as { command?: unknown };
  if (!agent) return { role: 'agent', pid: process.pid, state: 'starting' };
  if (command === 'status') return agent.status();
  if (command === 'register') {
    agent.register();
    return agent.status();
  }
  throw new MusterError('usage', `unknown command: ${reasonOf(command).slice(0, 64)}`);
}
