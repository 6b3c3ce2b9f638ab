// Keeps the CA that follows the present one, and the one before it, in the requester's folder; and puts the next one in the
// place of the present one, so that a crash at any moment leaves either of them in use.
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { MusterError } from '../../system/errors.ts';
import { removeFile, writeFileAtomic } from '../../system/files.ts';
import type { Log } from '../../system/log.ts';
import { readOwnFile } from '../../system/read-file.ts';
import { caPinOf } from '../../transport/ca-pin.ts';
import { certificateFiles, loadAuthority } from './server-certificate.ts';

/** The pins of the CAs of a cluster; undefined for one that there is not. */
export interface AuthorityPins {
  /** The CA that signed the certificate of the broker. */
  present: string | undefined;
  /** The CA that will be used next. */
  next: string | undefined;
  /** The CA that was used before, and that nodes still trust. */
  former: string | undefined;
}

/** The files in the requester's folder, beside those of the present CA. */
function filesIn(folder: string) {
  return {
    ...certificateFiles(folder),
    next: { caKey: join(folder, 'next-ca.key'), ca: join(folder, 'next-ca.pem') },
    former: join(folder, 'former-ca.pem'),
  };
}

/** Returns the file with the key of the next CA. */
export const nextAuthorityKeyFile = (folder: string): string => filesIn(folder).next.caKey;

/** Returns the pins of the CAs in the requester's folder, and makes nothing. @throws MusterError `bad_state` */
export async function readAuthorityPins(folder: string): Promise<AuthorityPins> {
  const { ca, next, former } = filesIn(folder);
  const [present, key, following, before] = await Promise.all([
    readPin(ca),
    readOwnFile(next.caKey),
    readPin(next.ca),
    readPin(former),
  ]);
  // The key is written first. Without it, a crash has left the rest of an earlier change.
  return { present, next: key && following, former: before };
}

/** Returns the certificates of the present and the next CA in PEM. @throws MusterError `bad_state` */
export async function readAuthorityCertificates(
  folder: string,
): Promise<Pick<AuthorityPins, 'present' | 'next'>> {
  const { ca, next } = filesIn(folder);
  const [present, following] = await Promise.all([readOwnFile(ca), readOwnFile(next.ca)]);
  return {
    present: present && readPem(ca, present.data),
    next: following && readPem(next.ca, following.data),
  };
}

/** Makes the next CA, unless it is there, and returns its pin. @throws MusterError `bad_state`, `not_writable` */
export async function makeNextAuthority(folder: string, log: Log): Promise<string> {
  return caPinOf((await loadAuthority(filesIn(folder).next, log)).certificate);
}

/** Removes the next CA. @throws MusterError `not_writable` */
export async function removeNextAuthority(folder: string): Promise<void> {
  const { next } = filesIn(folder);
  await removeFile(next.ca);
  await removeFile(next.caKey);
}

/** Removes the CA that was used before. @throws MusterError `not_writable` */
export const removeFormerAuthority = (folder: string): Promise<void> => removeFile(filesIn(folder).former);

/**
 * Puts the next CA, which must have this pin, in the place of the present one. The certificate of the server is removed, so
 * that the next one signs another. It can be called again after a crash at any of its steps. Returns false when the next CA
 * is not there. The caller holds the lock of the requester, and no broker runs. @throws MusterError `bad_state`,
 * `not_writable`
 */
export async function useNextAuthority(folder: string, pin: string, log: Log): Promise<boolean> {
  const steps = await switchSteps(folder, pin);
  for (const step of steps) await step();
  const { present } = await readAuthorityPins(folder);
  if (present === pin) {
    if (steps.length > 0)
      log.warn({ pin }, 'the next certificate authority of this cluster is used from now on');
    return true;
  }
  log.error({ pin }, 'the next certificate authority is gone, so the present one stays in use');
  return false;
}

/** Returns the steps that are left of the change. Each can be repeated, and a crash may come between any two. */
export async function switchSteps(folder: string, pin: string): Promise<(() => Promise<void>)[]> {
  const files = filesIn(folder);
  const [key, ca, before] = await Promise.all([
    readOwnFile(files.next.caKey),
    readOwnFile(files.next.ca),
    readOwnFile(files.ca),
  ]);
  const isDone = before !== undefined && pinOf(files.ca, before.data) === pin;
  const cleaning = [() => removeFile(files.next.ca), () => removeFile(files.next.caKey)];
  if (!key || !ca || pinOf(files.next.ca, ca.data) !== pin) return isDone && key ? cleaning : [];
  return [
    // When the present CA is the next one already, the former one was kept before.
    ...(before && !isDone ? [() => writeFileAtomic(files.former, before.data)] : []),
    // After the next steps, the CA that signed this certificate is not the present one.
    () => removeFile(files.cert),
    () => removeFile(files.key),
    () => writeFileAtomic(files.caKey, key.data),
    () => writeFileAtomic(files.ca, ca.data),
    ...cleaning,
  ];
}

async function readPin(path: string): Promise<string | undefined> {
  const kept = await readOwnFile(path);
  return kept && pinOf(path, kept.data);
}

const pinOf = (path: string, data: Buffer): string => caPinOf(readCertificateFile(path, data));

const readPem = (path: string, data: Buffer): string => readCertificateFile(path, data).toString();

function readCertificateFile(path: string, data: Buffer): X509Certificate {
  try {
    return new X509Certificate(data);
  } catch {
    throw new MusterError('bad_state', `${path} does not contain a certificate`, {
      hint: `restore it from a backup, or remove it: rm ${path}`,
    });
  }
}
