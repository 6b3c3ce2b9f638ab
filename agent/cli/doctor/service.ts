// Check: what was installed as a service runs, without complaint. Only systemd is asked: launchd's answers are for people.
import { unitName } from '../../service/systemd-units.ts';
import { type Check, type Finding, failed, ok, warning } from './check.ts';
import type { Role } from './context.ts';
import { type Said, say } from './say.ts';

/** Asks systemd, the machine's or this user's own, of a unit; undefined where there is no systemd. */
export type UnitQuestion = (unit: string, user: boolean) => Promise<Said | undefined>;

export const service = (roles: readonly Role[], ask: UnitQuestion = systemctl): Check => ({
  name: 'service',
  async look() {
    const users = process.geteuid?.() === 0 ? [false] : [false, true];
    const units = roles.flatMap(role => users.map(user => unit(unitName(role), user, ask)));
    const found = await Promise.all(units);
    if (found.every(one => one === undefined)) return [ok('no systemd runs here')];
    const installed = found.flatMap(one => one ?? []);
    return installed.length > 0 ? installed : [ok('not installed as a service')];
  },
});

/** Undefined where no systemd answers; empty when it knows no such unit. */
async function unit(name: string, user: boolean, ask: UnitQuestion): Promise<Finding[] | undefined> {
  const said = await ask(name, user);
  if (said?.status !== 0) return undefined;
  const read = new Map(
    said.stdout.split('\n').map(line => [line.split('=', 1)[0], line.slice(line.indexOf('=') + 1)]),
  );
  const of = (property: string) => read.get(property) ?? '';
  const { control, journal } = user
    ? { control: 'systemctl --user', journal: `journalctl --user -u ${name}` }
    : { control: 'systemctl', journal: `journalctl -u ${name}` };
  switch (of('LoadState')) {
    case 'not-found':
    case '':
      return [];
    case 'loaded':
      break;
    default:
      return [failed(`${name} cannot be loaded: ${of('LoadState')}`, `see why: ${control} status ${name}`)];
  }
  const state = `${of('ActiveState')} (${of('SubState')})`;
  const enabled = of('UnitFileState') === 'enabled' || of('UnitFileState') === 'enabled-runtime';
  const found = running(name, state, of('Result'), enabled, { control, journal });
  const restarts = Number(of('NRestarts')) || 0;
  if (restarts > 0)
    found.push(warning(`${name} was started again ${restarts} times by itself`, `see why: ${journal}`));
  if (of('NeedDaemonReload') === 'yes') {
    found.push(
      warning(
        `the unit file of ${name} was changed since it was read`,
        `${control} daemon-reload, then restart it`,
      ),
    );
  }
  return found;
}

function running(
  name: string,
  state: string,
  result: string,
  enabled: boolean,
  { control, journal }: { control: string; journal: string },
): Finding[] {
  if (/^(active|reloading|refreshing) /.test(state)) {
    if (enabled) return [ok(`${name} is ${state}`)];
    return [warning(`${name} is ${state}, but does not start with the machine`, `${control} enable ${name}`)];
  }
  if (/^activating \(start/.test(state))
    return [warning(`${name} is starting: ${state}`, `see what it waits for: ${control} status ${name}`)];
  if (/^(failed|activating) /.test(state)) {
    return [failed(`${name} is ${state}, result ${result}`, `see why: ${journal}`)];
  }
  if (!enabled) return [ok(`${name} is installed and not enabled; it is ${state}`)];
  return [failed(`${name} is ${state}, though it is to start with the machine`, `${control} start ${name}`)];
}

const properties = [
  'LoadState',
  'UnitFileState',
  'ActiveState',
  'SubState',
  'Result',
  'NRestarts',
  'NeedDaemonReload',
];

const systemctl: UnitQuestion = (unit, user) =>
  say(
    ['/usr/bin/systemctl', '/bin/systemctl'],
    [...(user ? ['--user'] : []), 'show', `--property=${properties.join(',')}`, '--no-pager', '--', unit],
  );
