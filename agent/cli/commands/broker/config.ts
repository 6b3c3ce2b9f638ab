// `muster broker config` prints what a NATS of one's own needs to ask the requester whom to let in.
import {
  inspectOwnNatsAccess,
  loadOwnNatsAccess,
  type OwnNatsAccess,
} from '../../../broker/broker-access.ts';
import { nscScript } from '../../../broker/nsc-script.ts';
import { ownNatsConfig, serverFor } from '../../../broker/own-nats-config.ts';
import { text } from '../../../config/kind.ts';
import { addresses } from '../../../config/network.ts';
import { dataFolder, roleFolder } from '../../../config/paths.ts';
import { note, print } from '../../../output/terminal.ts';
import { MusterError } from '../../../system/errors.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { withKeyFolder } from './key-folder.ts';

export const settings = [
  'dataDir',
  'broker.requesters',
  'requester.unverifiedNodes',
  'requester.heartbeatTopic',
] as const;

export const flags = {
  routes: {
    value: 'HOST:PORT,…',
    kind: addresses,
    help: 'also print the cluster of these servers, with a password and TLS',
  },
  'operator-mode': {
    help: 'for servers with an operator: print a script that makes the accounts with nsc',
  },
  'system-account': {
    value: 'NAME',
    kind: text(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/u, 'a name of letters, digits, _ and -'),
    default: 'SYS',
    help: 'the account that the servers have for themselves',
  },
} as const satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster broker config >muster.conf', 'for one server, or a cluster that is there already'],
  [
    'muster broker config --routes n1:6222,n2:6222,n3:6222 >muster.conf',
    'for a new cluster of three servers',
  ],
];

export async function run({ load, flags: given }: Argv<typeof flags>): Promise<number> {
  const { settings: loaded } = await load({ role: 'requester' });
  const { unverifiedNodes, heartbeatTopic } = loaded.requester;
  const routes = withPorts(given.routes ?? []);
  if (given['operator-mode'] && routes.length > 0) throw noRoutes();
  const keys = await accessIn(await dataFolder(loaded));
  const access = {
    ...keys,
    others: loaded.broker.requesters,
    ...(unverifiedNodes ? { unverified: { heartbeatTopic } } : {}),
  };
  const systemAccount = given['system-account'];
  if (given['operator-mode']) {
    print(nscScript({ access, systemAccount }));
    note('Run it as a shell script where nsc has the keys of the operator: sh muster-nsc.sh');
    return 0;
  }
  print(ownNatsConfig({ access, systemAccount, routes }));
  note(`Each server needs it, in nats-server ${serverFor(access)} or newer, and has to be started again.`);
  note('Then set nats.servers of the requester to their addresses, and start it.');
  return 0;
}

const noRoutes = (): MusterError =>
  new MusterError('usage', '--routes cannot be given with --operator-mode, which prints no configuration', {
    hint: 'leave --routes away: the routes of servers with an operator are not different',
  });

/** Returns the keys of the requester, and makes them when it never ran. */
async function accessIn(data: string): Promise<OwnNatsAccess> {
  const known = await inspectOwnNatsAccess(roleFolder(data, 'requester'));
  return known ?? withKeyFolder(data, loadOwnNatsAccess);
}

/** @throws MusterError `usage` for a route without a port, and for one that is named twice. */
function withPorts(routes: readonly string[]): readonly string[] {
  const bare = routes.find(route => !/:\d+$/.test(route) || (route.includes('::') && !route.startsWith('[')));
  if (bare !== undefined)
    throw new MusterError('usage', `--routes: ${bare} has no port`, {
      hint: 'give the port of the routes too, such as n1:6222',
    });
  const again = routes.find((route, index) => routes.indexOf(route) < index);
  if (again !== undefined)
    throw new MusterError('usage', `--routes: ${again} is there twice`, {
      hint: 'name each server of the cluster once',
    });
  return routes;
}
