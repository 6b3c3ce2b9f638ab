// Keeps the certificate authority (CA) and the server certificate of a requester in the requester's folder.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { MusterError } from '../../system/errors.ts';
import { closeToOthers, writeFileAtomic } from '../../system/files.ts';
import type { Log } from '../../system/log.ts';
import { readOwnFile } from '../../system/read-file.ts';
import { rememberSecret } from '../../system/secrets.ts';
import { caPinOf } from '../../transport/ca-pin.ts';
import { namesOf, readCertificate } from '../../transport/peer-certificate.ts';
import {
  endOfCertificate,
  makeAuthority,
  makeAuthorityKey,
  makePrivateKey,
  makeServerCertificate,
  privateKeyPem,
} from './certificate.ts';

/** A certificate with which a server shows who it is. */
export interface ServerCertificate {
  /** The file with the chain: the server's own certificate first, its CA last. */
  readonly certFile: string;
  readonly keyFile: string;
  /** The content of the two files, in PEM. */
  readonly chain: string;
  readonly key: string;
  /** The CA in PEM, its file, and its pin; undefined when the certificate is an operator's own, and its CA is not known. */
  readonly ca: string | undefined;
  readonly caFile: string | undefined;
  readonly pin: string | undefined;
  /** The name by which clients on this machine verify the certificate; undefined for the address that they use. */
  readonly localName: string | undefined;
  readonly end: Date;
}

/** The files in the requester's folder. */
export function certificateFiles(folder: string) {
  return {
    caKey: join(folder, 'ca.key'),
    ca: join(folder, 'ca.pem'),
    key: join(folder, 'server.key'),
    cert: join(folder, 'server.pem'),
  };
}

/** Called when a certificate was made: why, its fingerprint (SHA-256), the hosts that it is for, and its end. */
export type OnMade = (made: {
  reason: string;
  fingerprint: string;
  names: readonly string[];
  end: Date;
}) => void;

/** A certificate that ends within this time is replaced at the next start, in milliseconds. */
const renewalMs = 90 * 24 * 3_600_000;

/**
 * Returns the server certificate in the requester's `folder`, for these `names` (host names, and IP addresses without
 * brackets). What is missing is made: the CA at the first start, and the certificate when the names have changed or it
 * ends within 90 days. The CA stays, so nodes notice nothing. The caller holds the lock of the requester.
 * @throws MusterError `bad_state` for a file that is torn or was not made by this requester, which is never replaced;
 * `not_writable`.
 */
export async function loadServerCertificate(
  folder: string,
  names: readonly string[],
  { now, log, onMade }: { now: () => Date; log: Log; onMade?: OnMade | undefined },
): Promise<ServerCertificate> {
  const files = certificateFiles(folder);
  const authority = await loadAuthority(files, log);
  const kept = await readServerFiles(files, authority.certificate);
  // The CA may be new, or another one than before.
  const why = kept ? whyReplace(kept.certificate, names, now()) : 'it had no usable one from this CA';
  if (kept && !why) return describe(files, kept.chain, kept.key, authority.certificate);
  const serverKey = makePrivateKey();
  const key = privateKeyPem(serverKey);
  rememberSecret(key);
  const chain =
    makeServerCertificate(authority.key, serverKey, names, endOfCertificate(now())) +
    pemOf(authority.certificate);
  // A crash between the two writes leaves a pair that does not match, which the next start replaces.
  await writeFileAtomic(files.key, key);
  await writeFileAtomic(files.cert, chain);
  log.info({ file: files.cert, names: names.join(' ') }, `made a certificate for the requester: ${why}`);
  const { fingerprint256: fingerprint, validToDate: end } = new X509Certificate(chain);
  onMade?.({ reason: `${why}`, fingerprint, names, end });
  return describe(files, chain, key, authority.certificate);
}

/**
 * Reads what is kept, and makes nothing; undefined when there is no certificate yet. The doctor calls it. Throws
 * MusterError `bad_state`.
 */
export async function inspectServerCertificate(
  folder: string,
): Promise<{ certificate: X509Certificate; ca: X509Certificate } | undefined> {
  const files = certificateFiles(folder);
  const [ca, cert] = await Promise.all([readOwnFile(files.ca), readOwnFile(files.cert)]);
  if (!ca || !cert) return undefined;
  return { certificate: parse(files.cert, cert.data), ca: parse(files.ca, ca.data) };
}

/** Returns why a certificate must be replaced; undefined when it is good. `names` are those that it should have. */
function whyReplace(certificate: X509Certificate, names: readonly string[], now: Date): string | undefined {
  const end = certificate.validToDate.getTime();
  if (end - now.getTime() < renewalMs) return `the last one ends on ${day(certificate.validToDate)}`;
  const missing = names.filter(name => !isFor(certificate, name));
  if (missing.length > 0) return `the last one is not for ${missing.join(', ')}`;
  if (namesOf(certificate).length > names.length)
    return 'the last one is for names that are not used any more';
  return undefined;
}

/** Returns whether a certificate is for this host name or IP address. */
export const isFor = (certificate: X509Certificate, name: string): boolean =>
  (isIP(name) ? certificate.checkIP(name) : certificate.checkHost(name, { subject: 'never' })) !== undefined;

/** Returns the date of `at`, for messages. */
const day = (at: Date): string => at.toISOString().slice(0, 10);

/** A CA with its key. */
export interface Authority {
  key: KeyObject;
  certificate: X509Certificate;
}

type Files = ReturnType<typeof certificateFiles>;
export type AuthorityFiles = Pick<Files, 'caKey' | 'ca'>;

/** Reads a CA and its key, and makes what is missing. @throws MusterError `bad_state`, `not_writable` */
export async function loadAuthority(files: AuthorityFiles, log: Log): Promise<Authority> {
  const [keptKey, keptCa] = await Promise.all([readKey(files.caKey), readOwnFile(files.ca)]);
  if (!keptKey && keptCa)
    throw new MusterError('bad_state', `${files.ca} is there, and its key ${files.caKey} is not`, {
      hint: `restore ${files.caKey} from a backup; or remove ${files.ca} to have another CA made, which no node trusts until it gets a new join code`,
    });
  const key = keptKey?.key ?? makeAuthorityKey();
  if (!keptKey) {
    const text = privateKeyPem(key);
    rememberSecret(text);
    await writeFileAtomic(files.caKey, text);
  }
  if (keptCa) return { key, certificate: checkAuthority(files, keptCa.data, key) };
  const text = makeAuthority(key);
  await writeFileAtomic(files.ca, text);
  const certificate = new X509Certificate(text);
  log.info({ file: files.ca, pin: caPinOf(certificate) }, 'made a certificate authority for this cluster');
  return { key, certificate };
}

function checkAuthority(files: AuthorityFiles, data: Buffer, key: KeyObject): X509Certificate {
  const certificate = parse(files.ca, data);
  const fault = !certificate.checkPrivateKey(key)
    ? `does not belong to its key ${files.caKey}`
    : !certificate.ca
      ? 'is not the certificate of a CA'
      : undefined;
  if (fault)
    throw new MusterError('bad_state', `${files.ca} ${fault}`, {
      hint: `restore both from a backup; or remove ${files.ca}, and the requester makes it again for the key`,
    });
  return certificate;
}

/** Reads the server's certificate and key. Returns undefined when one of them is missing or they are not a pair. */
async function readServerFiles(files: Files, ca: X509Certificate) {
  const [keptKey, kept] = await Promise.all([readKey(files.key), readOwnFile(files.cert)]);
  if (!kept) return undefined;
  const certificate = parse(files.cert, kept.data);
  if (!certificate.checkIssued(ca) || !certificate.verify(ca.publicKey))
    throw new MusterError('bad_state', `${files.cert} is not signed by the CA in ${files.ca}`, {
      hint: `remove it, and a new one is made; a certificate of your own is named by broker.tls.certFile`,
    });
  if (!keptKey || !certificate.checkPrivateKey(keptKey.key)) return undefined;
  return { certificate, chain: kept.data.toString('latin1'), key: keptKey.text };
}

async function readKey(path: string): Promise<{ key: KeyObject; text: string } | undefined> {
  const kept = await readOwnFile(path);
  if (!kept) return undefined;
  const text = kept.data.toString('latin1');
  rememberSecret(text);
  if (kept.info.mode & 0o077) await closeToOthers(path);
  try {
    return { key: createPrivateKey(text), text };
  } catch {
    // The cause is left out, because it could quote the file.
    throw new MusterError('bad_state', `${path} does not contain a private key`, {
      hint: path.endsWith('ca.key')
        ? 'restore it from a backup; without it, remove ca.key and ca.pem there: every node then needs a new join code'
        : `remove it, and a new one is made: rm ${path}`,
    });
  }
}

function parse(path: string, data: Buffer): X509Certificate {
  const certificate = readCertificate(data);
  if (certificate) return certificate;
  throw new MusterError('bad_state', `${path} does not contain a certificate`, {
    hint: `remove it, and it is made again: rm ${path}`,
  });
}

const pemOf = (certificate: X509Certificate): string => certificate.toString();

function describe(files: Files, chain: string, key: string, ca: X509Certificate): ServerCertificate {
  return {
    certFile: files.cert,
    keyFile: files.key,
    chain,
    key,
    ca: pemOf(ca),
    caFile: files.ca,
    pin: caPinOf(ca),
    localName: undefined,
    end: new X509Certificate(chain).validToDate,
  };
}
