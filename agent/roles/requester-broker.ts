// The broker of a requester: its own one, which it starts, or the NATS that the settings name; and the keys for either.
import { join } from 'node:path';
import type { BrokerAccess } from '../broker/access-lines.ts';
import { type Broker, type BrokerOptions, startBroker } from '../broker/broker.ts';
import {
  guardLines,
  loadBrokerAccess,
  loadOwnNatsAccess,
  type OwnNatsAccess,
} from '../broker/broker-access.ts';
import { chooseCertificate, usesTls } from '../broker/tls/choose-certificate.ts';
import { machineNames } from '../broker/tls/names.ts';
import type { OnMade } from '../broker/tls/server-certificate.ts';
import { findOnPath, systemEnvironment } from '../config/environment.ts';
import { roleFolder } from '../config/paths.ts';
import type { Settings } from '../config/settings.ts';
import type { AuthorityRotation } from '../requester/authorities/authority-rotation.ts';
import type { BrokerAddresses } from '../requester/enrolment/join-code-desk.ts';
import type { ClientTokens } from '../requester/enrolment/token-clients.ts';
import { loadTokenFile, tokenFiles } from '../requester/enrolment/token-file.ts';
import { systemClock } from '../system/clock.ts';
import { isLoopback } from '../system/loopback.ts';
import { systemRandom } from '../system/random.ts';
import type { RoleStart } from './start-role.ts';

export interface RequesterAccess extends BrokerAccess {
  tokens: ClientTokens;
  /** The keys for the NATS that the settings name; undefined when the requester has its own broker. */
  ownNats?: OwnNatsAccess | undefined;
  /** The keys for the requester's own broker when further requesters use it; undefined otherwise. */
  several?: OwnNatsAccess | undefined;
}

/** Reads the keys and tokens in the requester's folder, and makes those that are missing. @throws MusterError */
export async function loadAccess(
  folder: string,
  { requester, nats, broker }: Pick<Settings, 'requester' | 'nats' | 'broker'>,
): Promise<RequesterAccess> {
  const others = broker.requesters;
  const hasOwnBroker = nats.servers.length === 0;
  const full = hasOwnBroker && others.length === 0 ? undefined : await loadOwnNatsAccess(folder);
  const access = {
    ...(full ?? (await loadBrokerAccess(folder))),
    others,
    ...(hasOwnBroker ? { several: full } : { ownNats: full }),
  };
  if (!requester.unverifiedNodes) return { ...access, tokens: {} };
  const unverified = await loadTokenFile(join(folder, tokenFiles.unverified));
  const { heartbeatTopic } = requester;
  return { ...access, unverified: { heartbeatTopic }, tokens: { unverified } };
}

export interface OwnBrokerOptions
  extends Pick<RoleStart, 'settings' | 'log' | 'data' | 'folder'>,
    Pick<BrokerOptions, 'signal' | 'onChange'> {
  access: RequesterAccess;
  /** The id of the requester. */
  node: string;
  /** Called when a certificate was made. */
  onCertificate?: OnMade | undefined;
}

/** Starts the requester's own broker. Returns undefined when the settings name other brokers. @throws MusterError */
export async function startOwnBroker(options: OwnBrokerOptions): Promise<Broker | undefined> {
  const { settings, log, data, folder, node, access, signal, onChange } = options;
  if (settings.nats.servers.length > 0) return undefined;
  const certificate = () =>
    chooseCertificate({
      settings,
      folder,
      machine: machineNames,
      now: () => systemClock.now(),
      log,
      onMade: options.onCertificate,
    });
  return startBroker({
    access,
    several: access.several && guardLines(access.several),
    folder: roleFolder(data, 'broker'),
    name: node,
    ...settings.broker,
    certificate: usesTls(settings.broker) ? certificate : undefined,
    findOnPath: name => findOnPath(name, systemEnvironment),
    clock: systemClock,
    random: systemRandom,
    log,
    signal,
    onChange,
  });
}

/** Returns where new nodes and listeners find the requester's own broker. They get the CA that follows, too. */
export async function ownBrokerAddresses(
  { servers, pin, ca }: Broker,
  host: string,
  authorities: Pick<AuthorityRotation, 'forNewNodes' | 'certificates'> | undefined,
): Promise<BrokerAddresses> {
  return {
    servers,
    // Without TLS there is no pin, even where the API has a certificate.
    pins: pin === undefined ? [] : [...new Set([pin, ...(authorities?.forNewNodes ?? [])])],
    ca: ca === undefined ? undefined : ((await authorities?.certificates()) ?? ca),
    localOnly: isLoopback(host),
  };
}
