// Runs the requester with its own broker in the foreground, until it is told to stop. Everything stops in reverse order.

import { join } from 'node:path';
import { accountKeys } from '../broker/account-keys.ts';
import type { Broker } from '../broker/broker.ts';
import { bacalhauConfig } from '../config/bacalhau/shown-config.ts';
import type { LoadedSettings } from '../config/load.ts';
import { operatorTokenFile, roleFolder } from '../config/paths.ts';
import { readHostFacts } from '../host/host-facts.ts';
import { nodeLabels } from '../host/labels.ts';
import { writeRequesterToken } from '../protocol/requester-token.ts';
import { startApi } from '../requester/api/server.ts';
import { CertificateNews } from '../requester/authorities/certificate-news.ts';
import { FreezeFollower } from '../requester/freeze/freeze-follower.ts';
import { Ledger, ledgerFileName } from '../requester/ledger/ledger.ts';
import { StoreMark } from '../requester/ledger/store-mark.ts';
import { storeMarkFileName } from '../requester/ledger/store-mark-file.ts';
import { firstTokenFile } from '../requester/operators/first-token-file.ts';
import { Requester } from '../requester/requester.ts';
import { requesterInfo } from '../requester/roll/own-info.ts';
import { storedStreams } from '../requester/stored-streams.ts';
import type { StatusNotifier } from '../service/notifier.ts';
import { openNotifier } from '../service/open-notifier.ts';
import { withSandboxHint } from '../service/sandbox.ts';
import { endsWithin, systemClock } from '../system/clock.ts';
import { removeLeftovers } from '../system/files.ts';
import { loadNodeId } from '../system/node-id.ts';
import { systemRandom } from '../system/random.ts';
import { holdFolder } from '../system/role-socket.ts';
import { hasCredentials } from '../transport/credentials.ts';
import { connect } from '../transport/nats.ts';
import { answerCommand } from './answer-command.ts';
import { apiCertificate } from './api-certificate.ts';
import { certificateEnds } from './certificate-ends.ts';
import { calloutBox, ownNatsAddresses, ownNatsOptions } from './connect-own-nats.ts';
import { describeHolder } from './describe-holder.ts';
import { giveBackMemory } from './give-back-memory.ts';
import { limitHeapGrowth } from './heap-growth.ts';
import { type Lifetime, lifetime, sendReady } from './lifetime.ts';
import { openAuthorities, useDueAuthority } from './own-authorities.ts';
import { createReloader } from './reload.ts';
import { createCredentialReloader } from './reload-credentials.ts';
import { loadAccess, ownBrokerAddresses, type RequesterAccess, startOwnBroker } from './requester-broker.ts';
import { requesterState, starting } from './service-state.ts';
import { type RoleStart, startRole } from './start-role.ts';
import { warnOfUnencrypted } from './unencrypted.ts';

/**
 * Times for the steps of a stop, in milliseconds. Their sum is less than `muster dev` and a service manager allow for a
 * stop.
 */
const stopTimeoutsMs = { requester: 1_200, connection: 300, broker: 1_500 };

/**
 * Runs the requester until it is told to stop, and returns the exit code. @throws MusterError when it cannot start, or
 * when its NATS changed so that it may serve no longer.
 */
export async function runRequester(load: () => Promise<LoadedSettings>): Promise<number> {
  const start = await startRole('requester', load);
  const { settings, log, data, folder, runtime } = start;
  let requester: Requester | undefined;
  await using cleanup = new AsyncDisposableStack();
  const lock = await withSandboxHint('requester', data, () =>
    holdFolder(
      runtime,
      request => answerCommand(request, requester),
      status => `another requester holds ${folder}: ${describeHolder(status)}`,
    ),
  );
  cleanup.defer(() => lock.close());
  const notifier = await openNotifier(log);
  cleanup.defer(() => notifier.stopping());
  notifier.setSource(() => starting);
  const growth = limitHeapGrowth(systemClock);
  cleanup.defer(() => growth.stop());
  const memory = giveBackMemory(systemClock);
  cleanup.defer(() => memory.stop());
  await removeLeftovers(folder);
  const node = await loadNodeId({
    folder,
    configured: settings.node.id,
    provider: settings.node.nameProvider,
    random: systemRandom,
  });
  const life = lifetime(log);
  const certificates = new CertificateNews(systemClock);
  const running: Running = { ...start, load, notifier, node, life, certificates };
  try {
    const access = await loadAccess(folder, settings);
    await useDueAuthority(running);
    const broker = await startOwnBroker({
      ...running,
      access,
      signal: life.signal,
      onChange: () => notifier.updateSoon(),
      onCertificate: made => certificates.onMade(made),
    });
    cleanup.defer(() => broker?.stop(stopTimeoutsMs.broker));
    await serveNodes({ ...running, broker, access }, created => {
      requester = created;
    });
  } catch (error) {
    // When the role must stop, the start of the broker ends by throwing this reason.
    if (error !== life.signal.reason) throw error;
  }
  log.info({ node }, 'stopped');
  return 0;
}

interface Running extends RoleStart {
  load: () => Promise<LoadedSettings>;
  notifier: StatusNotifier;
  node: string;
  life: Lifetime;
  certificates: CertificateNews;
}

interface Served extends Running {
  /** The requester's own broker; undefined when the settings name other brokers. */
  broker: Broker | undefined;
  access: RequesterAccess;
}

/**
 * How the requester notices that a server of a NATS of one's own has stopped: 4 to 6 s later. Until then, the questions of
 * nodes that reach it there wait. There are few requesters, so their pings cost nothing.
 */
const ownNatsPings = { pingIntervalMs: 2_000, maxUnansweredPings: 2 };

/** Runs the requester and its API until it is told to stop. @throws as `runRequester`. */
async function serveNodes(
  { load, settings, log, data, folder, notifier, node, life, certificates, broker, access }: Served,
  onCreated: (requester: Requester) => void,
): Promise<void> {
  await using cleanup = new AsyncDisposableStack();
  const accounts = accountKeys(settings.nats.accounts, access.issuer);
  const keyToken = accounts && writeRequesterToken(access.requester.publicKey, accounts, access.issuer);
  const connection = connect({
    servers: broker ? [broker.url] : settings.nats.servers,
    name: node,
    credentials: () => broker?.credentials ?? { ...settings.nats, key: access.requester, keyToken },
    // The nodes are let in only when the requester is back at its own broker.
    ...(broker ? { firstWaitMs: 10 } : ownNatsPings),
    tls: () => (broker ? broker.tls : settings.nats.tls),
    clock: systemClock,
    random: systemRandom,
    log,
  });
  // Its own broker is on the same machine.
  if (!broker) warnOfUnencrypted(connection, log);
  cleanup.defer(() => connection.close(stopTimeoutsMs.connection));
  const lost = Promise.withResolvers<never>();
  lost.promise.catch(() => undefined);
  const facts = await readHostFacts();
  const onStatusChange = () => notifier.updateSoon();
  const authorities = await openAuthorities({ settings, folder, log, onChange: onStatusChange });
  const tls = await apiCertificate(settings, folder, log, made => certificates.onMade(made));
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
    ownBroker: broker,
    issuer: broker && access.issuer,
    calloutBox: access.several && calloutBox(access.several),
    ownNats: access.ownNats && ownNatsOptions(access.ownNats, settings, connection, accounts),
    accounts: broker ? undefined : accounts,
    brokerAddresses: () =>
      broker
        ? ownBrokerAddresses(broker, settings.broker.host, authorities)
        : ownNatsAddresses(settings, log),
    authorities,
    certificates,
    certificateEnds: () => certificateEnds({ broker: broker?.chain, API: tls?.cert }),
    tokens: access.tokens,
    approved: settings.broker.approved,
    loginKey: broker || hasCredentials(settings.nats) ? undefined : access.requester.publicKey,
    brokerFolder: broker && roleFolder(data, 'broker'),
    ledger: await Ledger.open(join(folder, ledgerFileName), log),
    storeMark: await StoreMark.open({
      path: join(folder, storeMarkFileName),
      clock: systemClock,
      log,
      issuer: access.issuer.publicKey,
    }),
    firstToken: firstTokenFile(operatorTokenFile(data)),
    freeze: new FreezeFollower({ clock: systemClock, log, streams: storedStreams }),
    onLost: lost.reject,
    onStatusChange,
  });
  // The stop of the requester has a timeout, so that a broker that hangs is also stopped.
  cleanup.defer(async () => void (await endsWithin(systemClock, stopTimeoutsMs.requester, requester.stop())));
  onCreated(requester);
  notifier.setSource(() =>
    requesterState({
      status: requester.status(),
      connection: connection.state,
      stalled: requester.stalled,
      clock: systemClock,
    }),
  );
  connection.onState(() => notifier.update());
  const { host, port, openReads } = settings.api;
  let latest = settings;
  const config = () => bacalhauConfig(settings, latest);
  const api = await startApi({ directory: requester.directory, host, port, openReads, tls, log, config });
  cleanup.defer(() => api.stop());
  cleanup.defer(() => notifier.stopping());
  const reloadCredentials = createCredentialReloader(settings.nats, connection, log);
  life.onReload(
    createReloader(settings, {
      load,
      log,
      notifier,
      apply: async next => {
        latest = next;
        requester.reload(next.requester);
        if (!broker) await reloadCredentials();
      },
    }),
  );
  const ready = requester.start().then(() => {
    // start() also ends when the requester is told to stop, or may serve its NATS no longer.
    if (requester.status().state === 'stopping') return;
    notifier.update();
    sendReady({
      ready: {
        role: 'requester',
        node,
        api: api.url,
        broker: broker?.url,
        caFile: broker?.caFile,
        cluster: requester.status().clusterId,
      },
    });
    return life.stopRequested;
  });
  await Promise.race([ready, life.stopRequested, lost.promise]);
  life.requestStop();
}
