// Runs the requester role, its own broker included, in the foreground until it is told to stop.
import { type Broker, startBroker } from '../broker/broker.ts';
import { findOnPath, systemEnvironment } from '../config/environment.ts';
import type { LoadedSettings } from '../config/load.ts';
import { roleFolder } from '../config/paths.ts';
import { readHostFacts } from '../host/host-facts.ts';
import { nodeLabels } from '../host/labels.ts';
import { startApi } from '../requester/api/server.ts';
import { Requester } from '../requester/requester.ts';
import { requesterInfo } from '../requester/roll/own-info.ts';
import type { StatusNotifier } from '../service/notifier.ts';
import { openNotifier } from '../service/open-notifier.ts';
import { withSandboxHint } from '../service/sandbox.ts';
import { endsWithin, systemClock } from '../system/clock.ts';
import { removeLeftovers } from '../system/files.ts';
import { loadNodeId } from '../system/node-id.ts';
import { systemRandom } from '../system/random.ts';
import { holdFolder } from '../system/role-socket.ts';
import { connect } from '../transport/nats.ts';
import { describeHolder } from './describe-holder.ts';
import { lifetime, sendReady } from './lifetime.ts';
import { createReloader } from './reload.ts';
import { requesterState, starting } from './service-state.ts';
import { type RoleStart, startRole } from './start-role.ts';

/** Milliseconds; together within what `muster dev` and a service manager leave a role to stop. */
const stopDeadlines = { requester: 1_200, connection: 300, broker: 1_500 };

/** Runs until stopped; answers the exit code. Throws MusterError when it cannot start, or another one took over. */
export async function runRequester(load: () => Promise<LoadedSettings>): Promise<number> {
  const { settings, log, data, folder, runtime } = await startRole('requester', load);
  let requester: Requester | undefined;
  const lock = await withSandboxHint('requester', data, () =>
    holdFolder(
      runtime,
      () => requester?.status() ?? { role: 'requester', pid: process.pid, state: 'starting' },
      status => `another requester holds ${folder}: ${describeHolder(status)}`,
    ),
  );
  const service = await openNotifier(log);
  try {
    service.setSource(() => starting);
    await removeLeftovers(folder);
    const node = await loadNodeId({
      folder,
      configured: settings.node.id,
      provider: settings.node.nameProvider,
      random: systemRandom,
    });
    await serve({ load, settings, log, service, data, folder, node }, running => {
      requester = running;
    });
    return 0;
  } finally {
    service.stopping();
    await lock.close();
  }
}

interface Start extends Omit<RoleStart, 'runtime'> {
  load: () => Promise<LoadedSettings>;
  service: StatusNotifier;
  node: string;
}

async function serve(start: Start, made: (requester: Requester) => void): Promise<void> {
  const { settings, log, service, node } = start;
  const life = lifetime(log);
  let broker: Broker | undefined;
  try {
    broker = await ownBroker(start, life.signal);
  } catch (error) {
    if (error !== life.signal.reason) throw error;
    log.info({ node }, 'stopped');
    return;
  }
  // Whatever fails from here on, the broker must not outlive us.
  try {
    const connection = connect({
      servers: broker ? [broker.url] : settings.nats.servers,
      name: node,
      credentials: () => (broker ? { tokenFile: broker.tokenFile } : settings.nats),
      tls: broker ? undefined : settings.nats.tls,
      clock: systemClock,
      random: systemRandom,
      log,
    });
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => undefined);
    const facts = await readHostFacts();
    const requester = new Requester({
      self: requesterInfo({
        nodeId: node,
        hostname: facts.hostname,
        os: facts.operatingSystem,
        architecture: facts.architecture,
        labels: nodeLabels(node, facts, settings.node.labels),
      }),
      settings: settings.requester,
      connection,
      clock: systemClock,
      random: systemRandom,
      log,
      host: facts.hostname,
      pid: process.pid,
      onLost: failed.reject,
      changed: () => service.updateSoon(),
    });
    made(requester);
    service.setSource(() =>
      requesterState({
        status: requester.status(),
        connection: connection.state,
        stalled: requester.stalled,
        clock: systemClock,
      }),
    );
    connection.onState(() => service.update());
    try {
      const api = await startApi({ directory: requester, ...settings.api, log });
      try {
        const reload = createReloader(settings, {
          load: start.load,
          log,
          service,
          apply: next => requester.reload(next.requester),
        });
        life.onReload(reload);
        const ready = requester.start().then(() => {
          // A stop, or another that took over, ends the start as well.
          if (requester.status().state === 'stopping') return;
          service.update();
          sendReady({
            ready: {
              role: 'requester',
              node,
              api: api.url,
              broker: broker?.url,
              tokenFile: broker?.tokenFile,
            },
          });
          return life.stopRequested;
        });
        await Promise.race([ready, life.stopRequested, failed.promise]);
        life.requestStop();
      } finally {
        service.stopping();
        await api.stop();
      }
    } finally {
      // A broker that hangs must not keep us from ending it.
      await endsWithin(systemClock, stopDeadlines.requester, requester.stop());
      await connection.close(stopDeadlines.connection);
    }
    log.info({ node }, 'stopped');
  } finally {
    await broker?.stop(stopDeadlines.broker);
  }
}

async function ownBroker(
  { settings, log, data, node }: Start,
  signal: AbortSignal,
): Promise<Broker | undefined> {
  if (settings.nats.servers.length > 0) return undefined;
  return startBroker({
    folder: roleFolder(data, 'broker'),
    name: node,
    ...settings.broker,
    findOnPath: name => findOnPath(name, systemEnvironment),
    clock: systemClock,
    random: systemRandom,
    log,
    signal,
  });
}
