// Writes the configuration of a Bacalhau compute node, and what to do with it.
import { bacalhauReleases } from '../../../protocol/bacalhau-releases.ts';
import type { BacalhauAccess } from '../../../protocol/http-bacalhau.ts';
import { localOnlyText } from '../../../protocol/local-only-text.ts';
import { printable } from '../../../system/printable.ts';

export type Release = '1.5' | '1.4';

/** Returns the configuration in YAML. `caFile` is the path of the CA on the node. */
export function bacalhauConfig(access: BacalhauAccess, release: Release, caFile: string): string {
  const lines = isOlder(release) ? olderConfig(access) : newerConfig(access, caFile);
  return `${lines.join('\n')}\n`;
}

function newerConfig(access: BacalhauAccess, caFile: string): string[] {
  return [
    '# A compute node of Bacalhau from 1.5 on. The token is a secret: keep this file in mode 600.',
    'Compute:',
    '  Enabled: true',
    '  Orchestrators:',
    ...serversOf(access).map(server => `    - ${server}`),
    '  Auth:',
    `    Token: ${quoted(access.Token)}`,
    ...(access.CA === '' ? [] : ['  TLS:', `    CACert: ${quoted(caFile)}`]),
  ];
}

function olderConfig(access: BacalhauAccess): string[] {
  return [
    '# A compute node of Bacalhau up to 1.4. The token is a secret: keep this file in mode 600.',
    'Node:',
    '  Type:',
    '    - compute',
    '  Network:',
    '    Type: nats',
    '    Orchestrators:',
    ...serversOf(access).map(server => `      - ${server}`),
    `    AuthSecret: ${quoted(access.Token)}`,
  ];
}

/** Returns what the configuration needs besides, one sentence or command a line. */
export function bacalhauNotes(access: BacalhauAccess, release: Release, caFile: string): string[] {
  const older = [
    `Bacalhau up to 1.4 has no setting for the CA: save what "muster broker bacalhau -o ca" prints as ${caFile} on the node, and start Bacalhau with SSL_CERT_FILE=${caFile}.`,
  ];
  const newer = [`Save what "muster broker bacalhau -o ca" prints as ${caFile} on the node.`];
  return [
    ...(access.CA === '' ? [] : isOlder(release) ? older : newer),
    ...(access.LocalOnly ? localOnlyText(access.Servers).map(line => printable(line, 1_024)) : []),
    'A node that comes in with it has no key: it shows "unverified", and whoever has the token can speak for it.',
  ];
}

const isOlder = (release: Release): boolean => bacalhauReleases[release].configuration === 'older';

// With a CA, the node uses TLS whatever the address says. Without one, the scheme of the address decides.
const serversOf = ({ Servers, CA }: BacalhauAccess): string[] =>
  Servers.map(server => quoted(CA === '' ? server : server.replace(/^tls:/, 'nats:')));

/** Returns a text as YAML reads it, which is how JSON writes it. */
const quoted = (text: string): string => JSON.stringify(printable(text, 1024));
