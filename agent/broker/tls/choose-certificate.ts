// Decides whether the broker uses TLS, and with which certificate: the operator's own, or the one that the requester makes.
import { X509Certificate } from 'node:crypto';
import type { Settings } from '../../config/settings.ts';
import { MusterError } from '../../system/errors.ts';
import type { Log } from '../../system/log.ts';
import { isLoopback } from '../../system/loopback.ts';
import { namesOf } from '../../transport/peer-certificate.ts';
import type { TlsFiles } from '../../transport/tls.ts';
import { certificateNames, localAddress, type MachineNames, machineNames, splitAddress } from './names.ts';
import {
  loadOwnCertificate,
  type OwnCertificateFiles,
  readOwnCertificate,
  usableName,
  verifyOwnCertificate,
} from './own-certificate.ts';
import {
  inspectServerCertificate,
  isFor,
  loadServerCertificate,
  type OnMade,
  type ServerCertificate,
} from './server-certificate.ts';

/**
 * Returns whether the broker uses TLS. It does wherever other machines reach it, unless the operator allows plaintext, and
 * also on the loopback with a certificate of the operator.
 */
export function usesTls({ host, allowPlaintext, tls }: Settings['broker']): boolean {
  return tls.certFile !== undefined || !(isLoopback(host) || allowPlaintext);
}

/**
 * Returns where the certificate comes from, and for which hosts it must be: from the files of the operator, or, without
 * `files`, from the requester. An own certificate without `broker.advertise` may be for any hosts.
 */
export function certificatePlan(
  { api, broker }: Pick<Settings, 'api' | 'broker'>,
  machine: () => MachineNames,
): { files: OwnCertificateFiles; names: string[] } | { names: string[] } {
  const { certFile, keyFile, caFile } = broker.tls;
  const { advertise } = broker;
  if (certFile !== undefined && keyFile !== undefined)
    return { files: { certFile, keyFile, caFile }, names: advertise.map(each => splitAddress(each).host) };
  return { names: certificateNames({ advertise, hosts: [broker.host, api.host] }, machine()) };
}

export interface CertificateSource {
  settings: Pick<Settings, 'api' | 'broker'>;
  /** The folder of the requester. The caller holds its lock. */
  folder: string;
  /** Asks the system how this machine is named now. */
  machine: () => MachineNames;
  now: () => Date;
  log: Log;
  /** Called when the requester makes a certificate. */
  onMade?: OnMade | undefined;
}

/** Returns the certificate of the broker, which is made if there is none yet. Throws MusterError. */
export async function chooseCertificate({
  settings,
  folder,
  machine,
  now,
  log,
  onMade,
}: CertificateSource): Promise<ServerCertificate> {
  const plan = certificatePlan(settings, machine);
  if ('files' in plan) return await loadOwnCertificate(plan.files, plan.names, folder, now());
  return await loadServerCertificate(folder, plan.names, { now, log, onMade });
}

/** Checks the operator's own certificate, if the settings name one, and changes nothing. Throws MusterError. */
export async function checkOwnCertificate(settings: CertificateSource['settings'], now: Date): Promise<void> {
  const plan = certificatePlan(settings, machineNames);
  if ('files' in plan) await verifyOwnCertificate(plan.files, plan.names, now);
}

/**
 * Refuses a certificate of the operator that is not for the address by which agents on this machine reach the broker.
 * `muster dev` calls it before it starts anything. Throws MusterError `bad_config`.
 */
export async function requireLocalCertificate(broker: Settings['broker']): Promise<void> {
  const { certFile, caFile } = broker.tls;
  if (certFile === undefined) return;
  const host = localAddress(broker.host);
  const [certificate] = (await readOwnCertificate({ certFile, caFile })).chain;
  if (isFor(certificate, host)) return;
  throw new MusterError(
    'bad_config',
    `broker.tls.certFile: the certificate in ${certFile} is not for ${host}, where the agents of muster dev connect; it is for ${namesOf(certificate).join(', ') || 'no name'}`,
    {
      hint: `get a certificate that is for ${host} too, or run muster dev without broker.tls.certFile, for example with --config of another file`,
    },
  );
}

/**
 * Returns how a client on this machine uses TLS with a broker that runs already, and makes nothing; undefined when there is
 * no certificate yet. The doctor calls it. Throws MusterError.
 */
export async function inspectTls(broker: Settings['broker'], folder: string): Promise<TlsFiles | undefined> {
  const { certFile, caFile } = broker.tls;
  if (certFile === undefined) {
    const kept = await inspectServerCertificate(folder);
    return kept && { cas: [kept.ca.toString()], handshakeFirst: true };
  }
  const { chain, ca } = await readOwnCertificate({ certFile, caFile });
  const [first = usableName(chain[0])] = broker.advertise.map(each => splitAddress(each).host);
  return { cas: [String(ca ?? chain[0])], serverName: first, handshakeFirst: true };
}

/** Returns how a client on this machine connects to a server with this certificate. */
export function localTls({ ca, chain, localName }: ServerCertificate): TlsFiles {
  // Without a known CA, the client trusts the very certificate that the server has, which is the first of the chain.
  return { cas: [ca ?? String(new X509Certificate(chain))], serverName: localName, handshakeFirst: true };
}
