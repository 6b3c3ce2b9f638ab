// Reads a certificate that the operator made for the broker, and checks that it can be used before the broker starts.
import { createPrivateKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { MusterError, reasonOf } from '../../system/errors.ts';
import { writeFileAtomic } from '../../system/files.ts';
import { readBounded, readOwnFile } from '../../system/read-file.ts';
import { rememberSecret } from '../../system/secrets.ts';
import { caPinOf } from '../../transport/ca-pin.ts';
import { namesOf, readCertificate, whyNotValidAt } from '../../transport/peer-certificate.ts';
import { isFor, type ServerCertificate } from './server-certificate.ts';

/** The files of the settings `broker.tls.*`. */
export interface OwnCertificateFiles {
  certFile: string;
  keyFile: string;
  caFile?: string | undefined;
}

/** The operator's own certificate and its chain, as the files have it. */
interface OwnCertificate {
  /** The certificate, each one that signed the one before it, and the CA last, as far as the files have them. */
  chain: [X509Certificate, ...X509Certificate[]];
  /** The CA that should be trusted; undefined when the files do not say which. */
  ca: X509Certificate | undefined;
}

/** The object identifier of the purpose to authenticate a server (RFC 5280, section 4.2.1.12). */
const serverAuth = '1.3.6.1.5.5.7.3.1';
/** The name of the file with the chain, in the folder of the requester. */
const chainFile = 'own-chain.pem';

/**
 * Reads and checks the files, as `verifyOwnCertificate` does. Where `caFile` names a CA, the whole chain is written into
 * `folder`, because the broker must send its CA to nodes that know the pin only. Also throws MusterError `not_writable`.
 */
export async function loadOwnCertificate(
  files: OwnCertificateFiles,
  names: readonly string[],
  folder: string,
  now: Date,
): Promise<ServerCertificate> {
  const { chain, ca, key } = await verifyOwnCertificate(files, names, now);
  const text = chain.map(String).join('');
  return {
    certFile: files.caFile ? await keepChain(join(folder, chainFile), text) : files.certFile,
    keyFile: files.keyFile,
    chain: text,
    key,
    ca: ca?.toString(),
    caFile: ca && (files.caFile ?? files.certFile),
    pin: ca && caPinOf(ca),
    localName: names[0] ?? usableName(chain[0]),
    end: chain[0].validToDate,
  };
}

/**
 * Reads and checks the files. `names` are the hosts by which nodes reach the broker, as far as the settings say. @throws
 * MusterError `bad_config` when the files do not belong together or are for other names; `failed` for a certificate that is
 * not valid at the time `now`.
 */
export async function verifyOwnCertificate(
  files: OwnCertificateFiles,
  names: readonly string[],
  now: Date,
): Promise<OwnCertificate & { key: string }> {
  const own = await readOwnCertificate(files);
  const key = await readText('broker.tls.keyFile', files.keyFile);
  rememberSecret(key);
  checkPair(own, key, files);
  checkNames(own.chain[0], names, files.certFile);
  const late = whyNotValidAt(own.chain[0], now);
  // It is not `bad_config`, because the clock may be set later, and a service is not started again after that code.
  if (late)
    throw new MusterError('failed', `broker.tls.certFile: the certificate in ${files.certFile} ${late}`, {
      hint: 'renew it, or set the clock of this machine',
    });
  return { ...own, key };
}

/** Reads the certificates without checking that they fit. @throws MusterError `bad_config` for a file of another kind. */
export async function readOwnCertificate({
  certFile,
  caFile,
}: Omit<OwnCertificateFiles, 'keyFile'>): Promise<OwnCertificate> {
  const [certificate, ...others] = await readCertificates('broker.tls.certFile', certFile);
  const cas = caFile === undefined ? [] : await readCertificates('broker.tls.caFile', caFile);
  if (!certificate) throw noCertificate('broker.tls.certFile', certFile);
  const chain = chainOf(certificate, [...others, ...cas]);
  const last = chain.at(-1) ?? certificate;
  const ca = caFile === undefined ? isSelfSigned(last) : cas.some(one => isSame(one, last));
  return { chain, ca: ca ? last : undefined };
}

/** Returns the certificate, the one that signed it, the one that signed that, and so on, as far as they are known. */
function chainOf(certificate: X509Certificate, others: readonly X509Certificate[]): OwnCertificate['chain'] {
  const chain: OwnCertificate['chain'] = [certificate];
  for (let next: X509Certificate | undefined = certificate; next && !isSelfSigned(next); ) {
    const last: X509Certificate = next;
    next = others.find(one => isIssuedBy(last, one) && !chain.includes(one));
    if (next) chain.push(next);
  }
  return chain;
}

function checkPair(
  { chain: [certificate, ...issuers], ca }: OwnCertificate,
  key: string,
  { certFile, keyFile, caFile }: OwnCertificateFiles,
): void {
  if (!certificate.checkPrivateKey(parseKey(keyFile, key)))
    throw badConfig(
      `broker.tls.keyFile: ${keyFile} is not the key of the certificate in ${certFile}`,
      'name the key with which the certificate was requested; the certificate of the broker stands first in its file',
    );
  // Without the extension, a certificate is for every purpose. Node calls it keyUsage.
  if (certificate.keyUsage && !certificate.keyUsage.includes(serverAuth))
    throw badConfig(
      `broker.tls.certFile: the certificate in ${certFile} is not for servers, so no client accepts it`,
      'get a certificate whose extended key usage is serverAuth (TLS Web Server Authentication)',
    );
  if (caFile !== undefined && !ca)
    throw badConfig(
      `broker.tls.caFile: no CA in ${caFile} signed ${titleOf(issuers.at(-1) ?? certificate)} in ${certFile}`,
      'put each certificate between the CA and that of the broker into broker.tls.certFile, and name the CA that signed the last of them',
    );
}

function checkNames(certificate: X509Certificate, names: readonly string[], certFile: string): void {
  const known = namesOf(certificate).join(', ') || 'no name';
  const missing = names.filter(name => !isFor(certificate, name));
  if (missing.length > 0)
    throw badConfig(
      `broker.tls.certFile: the certificate in ${certFile} is not for ${missing.join(', ')}, which broker.advertise names; it is for ${known}`,
      'name the broker in broker.advertise as its certificate does, or get a certificate for these names',
    );
  if (names.length === 0 && usableName(certificate) === undefined)
    throw badConfig(
      `broker.tls.certFile: the certificate in ${certFile} is for ${known}, so muster cannot tell how nodes reach the broker`,
      'set broker.advertise to the name by which nodes reach it',
    );
}

/** Returns the first name of a certificate that is not a pattern. */
export const usableName = (certificate: X509Certificate): string | undefined =>
  namesOf(certificate).find(name => !name.includes('*'));

async function keepChain(path: string, chain: string): Promise<string> {
  const before = (await readOwnFile(path))?.data.toString('latin1');
  if (before !== chain) await writeFileAtomic(path, chain);
  return path;
}

async function readCertificates(setting: string, path: string): Promise<X509Certificate[]> {
  const text = await readText(setting, path);
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw noCertificate(setting, path);
  return blocks.map(block => {
    const certificate = readCertificate(block);
    if (certificate) return certificate;
    throw badConfig(`${setting}: a certificate in ${path} cannot be read`, 'copy the file again');
  });
}

async function readText(setting: string, path: string): Promise<string> {
  const data = await readBounded(path, 1_048_576).catch((cause: unknown) => {
    throw badConfig(`${setting}: ${reasonOf(cause)}`, 'let the user of the requester read the file');
  });
  if (!data) throw badConfig(`${setting}: there is no file ${path}`, 'correct the setting');
  return data.toString('latin1');
}

function parseKey(path: string, text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch {
    // The cause is left out, because it could quote the file.
    throw badConfig(
      `broker.tls.keyFile: ${path} does not contain a private key that can be used`,
      'name a PEM file with a key that has no passphrase',
    );
  }
}

const noCertificate = (setting: string, path: string) =>
  badConfig(
    `${setting}: ${path} is not a PEM file with a certificate`,
    'name a file that begins with a certificate',
  );

const badConfig = (message: string, hint: string) => new MusterError('bad_config', message, { hint });

const isIssuedBy = (one: X509Certificate | undefined, issuer: X509Certificate): boolean =>
  one?.checkIssued(issuer) === true && one.verify(issuer.publicKey);

const isSelfSigned = (one: X509Certificate): boolean => isIssuedBy(one, one);

const isSame = (one: X509Certificate, other: X509Certificate): boolean => one.raw.equals(other.raw);

const titleOf = (one: X509Certificate | undefined): string => (one?.subject ?? '').replaceAll('\n', ', ');
