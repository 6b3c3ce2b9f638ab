// Makes a private certificate authority and its certificates with openssl, for one test run.
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Certificate {
  certFile: string;
  keyFile: string;
}

const ecKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** Makes a certificate authority: `<name>.pem`, `<name>.key` in `folder`. */
export async function makeAuthority(
  folder: string,
  name: string,
  subject = `/CN=${name}`,
): Promise<Certificate> {
  const files = { certFile: join(folder, `${name}.pem`), keyFile: join(folder, `${name}.key`) };
  const out = ['-keyout', files.keyFile, '-out', files.certFile];
  await run('openssl', ['req', '-x509', ...ecKey, ...out, '-days', '2', '-subj', subject]);
  return files;
}

/** Makes a certificate that `authority` signs. `names` are such as `IP:127.0.0.1,DNS:localhost`. */
export async function makeCertificate(
  folder: string,
  authority: Certificate,
  name: string,
  names: string,
): Promise<Certificate> {
  const files = { certFile: join(folder, `${name}.pem`), keyFile: join(folder, `${name}.key`) };
  const request = join(folder, `${name}.csr`);
  const extensions = join(folder, `${name}.ext`);
  await writeFile(extensions, `subjectAltName=${names}\n`);
  await run('openssl', ['req', ...ecKey, '-keyout', files.keyFile, '-out', request, '-subj', `/CN=${name}`]);
  const signer = ['-CA', authority.certFile, '-CAkey', authority.keyFile, '-CAcreateserial'];
  const sign = ['x509', '-req', '-in', request, ...signer, '-days', '2', '-extfile', extensions];
  await run('openssl', [...sign, '-out', files.certFile]);
  return files;
}

/** Throws when openssl does not accept the first certificate in a file for this name or address, by its strict rules. */
export async function verifyStrictly(
  caFile: string,
  certFile: string,
  host: { name: string } | { address: string },
): Promise<void> {
  const is = 'name' in host ? ['-verify_hostname', host.name] : ['-verify_ip', host.address];
  await run('openssl', ['verify', '-x509_strict', ...is, '-CAfile', caFile, certFile]);
}
