// Writes the part of a configuration of nats-server by which a NATS of one's own asks the requester whom to let in.

import { accessLines } from './access-lines.ts';
import { guardLines, type OwnNatsAccess } from './broker-access.ts';

export interface OwnNatsOptions {
  access: OwnNatsAccess;
  /** The account of the servers themselves. One with this name is made, or the one that is there is used. */
  systemAccount: string;
  /** The addresses `host:port` of the routes of all servers of a cluster; empty for one server, or a cluster that is there. */
  routes: readonly string[];
}

/** The version of nats-server that knows all of the printed lines: `allowed_accounts` is new in it. */
const neededServer = '2.11';

/** The version that several requesters need: only one of them may announce, and the stream refuses the others. */
export const neededBySeveral = '2.12';

/** Returns the oldest version of nats-server for requesters with this access. */
export const serverFor = ({ others = [] }: Pick<OwnNatsAccess, 'others'>): string =>
  others.length > 0 ? neededBySeveral : neededServer;

/** Returns the text. It contains public keys only. */
export function ownNatsConfig({ access, systemAccount, routes }: OwnNatsOptions): string {
  const lines = accessLines(access, { systemAccount, ...guardLines(access) });
  return [
    `# For nats-server ${serverFor(access)} or newer, written by: muster broker config. It contains no secret.`,
    '# Put it into a file beside the configuration of each server, and add there: include "muster.conf"',
    '# Where a server has a block "accounts" or "authorization" already, put the content of these blocks into it.',
    '# The server also needs "jetstream { store_dir: ... }", where others reach it "tls { ... }", and in a cluster "server_name".',
    ...lines,
    ...(routes.length > 0 ? clusterLines(routes) : []),
    '',
  ].join('\n');
}

// A server that joins the cluster may do everything, so a route needs a certificate and a password. nats-server takes the
// password of a route only from the address, where it cannot be a variable. By default, a server
// would notice only after a minute that another one stands still, and would go on sending it the questions of nodes.
const clusterLines = (routes: readonly string[]) => [
  '# A server that joins the cluster reads and changes everything. So it shows a certificate of a CA that signs nobody else,',
  '# and a password. Put one of your own, the same on each server, in place of ROUTE-PASSWORD; then the file is a secret:',
  '#   sed -i "s/ROUTE-PASSWORD/$(openssl rand -hex 24)/" muster.conf; chmod 600 muster.conf',
  '# In the configuration of each server, beside "listen", name the address by which nodes reach that server, such as:',
  '#   client_advertise: "n1.example:4222"',
  '# Without it a server names all its interfaces to nodes, also those of its containers.',
  'cluster {',
  '  name: muster',
  `  port: ${routes[0]?.split(':').at(-1)}`,
  '  # A server that stands still is noticed after 4 to 6 s, and not after a minute.',
  '  ping_interval: "2s"',
  '  ping_max: 2',
  '  authorization { user: route, password: "ROUTE-PASSWORD", timeout: 10 }',
  '  tls {',
  '    cert_file: "/etc/nats/route.pem"',
  '    key_file: "/etc/nats/route.key"',
  '    ca_file: "/etc/nats/route-ca.pem"',
  '    verify: true',
  '    timeout: 10',
  '  }',
  `  routes: [ ${routes.map(route => `"nats://route:ROUTE-PASSWORD@${route}"`).join(', ')} ]`,
  '}',
];
