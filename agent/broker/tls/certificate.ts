// Makes the certificate authority (CA) of a requester, and server certificates that it signs (RFC 5280).
import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import { isIP } from 'node:net';
import { keyPinOf } from '../../transport/ca-pin.ts';
import { addressBytes } from './address-bytes.ts';
import {
  ascii,
  bits,
  objectId,
  octets,
  retagged,
  sequence,
  set,
  tagged,
  time,
  unsigned,
  utf8,
  yes,
} from './der.ts';

/**
 * The first moment at which every certificate is valid. It is the earliest time that a clock can show, so that a node
 * whose clock was reset still trusts its requester.
 */
const begin = new Date(0);
/** The end of a CA, which means that it has no end (RFC 5280, section 4.1.2.5). Nodes trust its key, and not its dates. */
const noEnd = new Date(Date.UTC(9999, 11, 31, 23, 59, 59));
/** The earliest plausible date. A requester whose clock is behind it counts the end of a certificate from here. */
const earliest = Date.UTC(2026, 0, 1);
const years = 10;

const oid = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
};

/** Returns a new private key (ECDSA with the curve P-256). */
export function makePrivateKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

/** Returns a new private key of a CA. Its pin does not begin with a dash: a command would take such a pin for a flag. */
export function makeAuthorityKey(make = makePrivateKey): KeyObject {
  for (;;) {
    const key = make();
    if (!keyPinOf(createPublicKey(key)).startsWith('-')) return key;
  }
}

/** Returns the private key as PEM (PKCS#8). */
export function privateKeyPem(key: KeyObject): string {
  return key.export({ format: 'pem', type: 'pkcs8' }).toString();
}

/** Returns the end of a server certificate that is made at `now`. */
export function endOfCertificate(now: Date): Date {
  const end = new Date(Math.max(now.getTime(), earliest));
  end.setUTCFullYear(end.getUTCFullYear() + years);
  return end;
}

/** Returns the CA's own certificate as PEM. The same key always gets the same name. */
export function makeAuthority(caKey: KeyObject, end = noEnd): string {
  const name = authorityName(caKey);
  return certify(caKey, {
    issuer: name,
    subject: name,
    key: caKey,
    end,
    extensions: [
      // It signs no other CA.
      extension(oid.basicConstraints, sequence(yes, unsigned(Buffer.from([0]))), true),
      // keyCertSign and cRLSign
      extension(oid.keyUsage, bits(Buffer.from([0b0000_0110]), 1), true),
      extension(oid.subjectKeyId, octets(keyId(caKey))),
    ],
  });
}

/**
 * Returns the certificate of a server as PEM, signed by the CA. `names` are host names and IP addresses without brackets.
 */
export function makeServerCertificate(
  caKey: KeyObject,
  serverKey: KeyObject,
  names: readonly string[],
  end: Date,
): string {
  return certify(caKey, {
    issuer: authorityName(caKey),
    subject: commonName('muster requester'),
    key: serverKey,
    end,
    extensions: [
      extension(oid.basicConstraints, sequence(), true),
      // digitalSignature
      extension(oid.keyUsage, bits(Buffer.from([0b1000_0000]), 7), true),
      extension(oid.extendedKeyUsage, sequence(objectId(oid.serverAuth))),
      extension(oid.subjectKeyId, octets(keyId(serverKey))),
      extension(oid.authorityKeyId, sequence(retagged(0, keyId(caKey)))),
      extension(oid.subjectAltName, sequence(...names.map(alternativeName))),
    ],
  });
}

interface Contents {
  issuer: Buffer;
  subject: Buffer;
  /** The private key whose public key is certified. */
  key: KeyObject;
  end: Date;
  extensions: readonly Buffer[];
}

function certify(caKey: KeyObject, { issuer, subject, key, end, extensions }: Contents): string {
  const algorithm = sequence(objectId(oid.ecdsaWithSha256));
  const version3 = tagged(0, unsigned(Buffer.from([2])));
  const validity = sequence(time(begin), time(end));
  const contents = sequence(
    version3,
    unsigned(randomBytes(16)),
    algorithm,
    issuer,
    validity,
    subject,
    publicKeyInfo(key),
    tagged(3, sequence(...extensions)),
  );
  const certificate = sequence(contents, algorithm, bits(sign('sha256', contents, caKey)));
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

const publicKeyInfo = (key: KeyObject): Buffer =>
  createPublicKey(key).export({ format: 'der', type: 'spki' });

const keyId = (key: KeyObject): Buffer =>
  createHash('sha256').update(publicKeyInfo(key)).digest().subarray(0, 20);

// A part of the key is in the name, so that somebody who has two CAs can tell them apart.
const authorityName = (caKey: KeyObject): Buffer =>
  commonName(`muster CA ${keyId(caKey).toString('hex').slice(0, 8)}`);

const commonName = (text: string): Buffer => sequence(set(sequence(objectId(oid.commonName), utf8(text))));

const extension = (id: string, value: Buffer, critical = false): Buffer =>
  sequence(objectId(id), ...(critical ? [yes] : []), octets(value));

const alternativeName = (name: string): Buffer =>
  isIP(name) ? retagged(7, addressBytes(name)) : retagged(2, ascii(name));
