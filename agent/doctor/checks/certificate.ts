// Checks the certificate of the requester's own broker and API: whether there is one, its end, its names, and who may read its
// key.
// On a NATS of one's own it says the pins of the CAs that the requester trusts there.
import type { X509Certificate } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { certificatePlan, usesTls } from '../../broker/tls/choose-certificate.ts';
import { type MachineNames, machineNames } from '../../broker/tls/names.ts';
import { type OwnCertificateFiles, verifyOwnCertificate } from '../../broker/tls/own-certificate.ts';
import { certificateFiles, inspectServerCertificate, isFor } from '../../broker/tls/server-certificate.ts';
import { endsSoon } from '../../protocol/certificate-end.ts';
import type { Clock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { isLoopback } from '../../system/loopback.ts';
import { readBounded } from '../../system/read-file.ts';
import { caPinOf, caPinsIn } from '../../transport/ca-pin.ts';
import { whyNotValidAt } from '../../transport/peer-certificate.ts';
import { type Check, type Finding, failed, isDenied, ok, runAsRoot, warning } from './check.ts';
import type { Context } from './context.ts';
import { exposureFindings, unreadableFinding } from './private-file.ts';

/** Returns the check. It finds nothing where neither the own broker nor the API uses the certificate. */
export const certificate = (
  context: Context,
  clock: Clock,
  machine: () => MachineNames = machineNames,
): Check => ({
  name: 'certificate',
  async run() {
    const { settings } = context;
    const { nats, broker, api } = settings;
    const findings = async () => {
      const plan = certificatePlan(settings, machine);
      if ('files' in plan) return await ownFindings(plan.files, plan.names, clock.now());
      return await madeFindings(context.folderOf('requester'), plan.names, clock.now());
    };
    if (nats.servers.length === 0 && usesTls(broker)) return await findings();
    const trusted = nats.servers.length > 0 ? await trustedFindings(nats.tls.caFile) : [];
    if (isLoopback(api.host) || api.tls.certFile !== undefined) return trusted;
    // Operators on other machines type the pin of this CA, which is another one than that of the NATS.
    return [...trusted, ...(await findings()).map(one => ({ ...one, text: `the API: ${one.text}` }))];
  },
});

async function madeFindings(folder: string, names: readonly string[], now: Date): Promise<Finding[]> {
  const files = certificateFiles(folder);
  try {
    const kept = await inspectServerCertificate(folder);
    if (!kept) return [ok('there is none yet: the requester makes one at its next start')];
    const missing = names.filter(name => !isFor(kept.certificate, name));
    const findings = [validity(kept.certificate, files.cert, now, renewByRestart, caPinOf(kept.ca))];
    if (missing.length > 0) {
      const text = `${files.cert} is not for ${missing.join(', ')}: nodes and commands that use ${missing.length === 1 ? 'it' : 'them'} are turned away`;
      findings.push(warning(text, renewByRestart));
    }
    for (const path of [files.caKey, files.key]) {
      const info = await stat(path).catch(() => undefined);
      if (info) findings.push(...(await exposureFindings(path, folder, info, 'requester')));
    }
    return findings;
  } catch (error) {
    return [unreadableFinding(error, files.cert)];
  }
}

async function ownFindings(
  files: OwnCertificateFiles,
  names: readonly string[],
  now: Date,
): Promise<Finding[]> {
  try {
    const { chain, ca } = await verifyOwnCertificate(files, names, now);
    const renew = 'renew it, and restart the requester';
    if (endsSoon(chain[0].validToDate.toISOString(), now))
      return [warning(`${files.certFile} ends on ${day(chain[0].validToDate)}`, renew)];
    return [validity(chain[0], files.certFile, now, renew, ca && caPinOf(ca))];
  } catch (error) {
    if (isDenied(error)) return [warning('this user may not read the files of broker.tls.*', runAsRoot)];
    if (!(error instanceof MusterError)) throw error;
    return [failed(error.message, error.hint ?? 'correct broker.tls.*')];
  }
}

/** Number of CAs whose pins are named. */
const maxNamed = 4;

// Operators compare these pins, and type them on nodes. The check of the configuration says what is wrong with the file.
async function trustedFindings(caFile: string | undefined): Promise<Finding[]> {
  const text = caFile === undefined ? undefined : await readBounded(caFile).catch(() => undefined);
  if (!text) return [];
  try {
    const pins = caPinsIn(text.toString('latin1'));
    const named = pins.slice(0, maxNamed).join(', ');
    const more = pins.length > maxNamed ? ` and ${pins.length - maxNamed} more` : '';
    if (pins.length === 0) return [];
    return [ok(`${caFile}: ${pins.length === 1 ? 'CA with the pin' : 'CAs with the pins'} ${named}${more}`)];
  } catch {
    return [failed(`${caFile} has a certificate that cannot be read`, 'correct nats.tls.caFile')];
  }
}

const renewByRestart = 'restart the requester: it makes another one, and nodes notice nothing';

function validity(
  certificate: X509Certificate,
  path: string,
  now: Date,
  remedy: string,
  pin: string | undefined,
): Finding {
  const late = whyNotValidAt(certificate, now);
  if (late) return failed(`${path} ${late}`, `set the clock of this machine if it is wrong; or ${remedy}`);
  return ok(`${path} is valid until ${day(certificate.validToDate)}${pin ? `, CA with the pin ${pin}` : ''}`);
}

const day = (at: Date): string => at.toISOString().slice(0, 10);
