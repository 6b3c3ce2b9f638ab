// Checks whether the clock of this machine is plausible, does not jump, agrees with the broker's, and is set by a time
// service.
import type { Role } from '../../config/role.ts';
import type { Clock } from '../../system/clock.ts';
import { askProgram, type ProgramOutput } from './ask-program.ts';
import { type Check, type Finding, failed, ok, warning } from './check.ts';
import type { Context } from './context.ts';

/** The earliest plausible date, in milliseconds since 1970: muster did not exist before. */
const earliest = Date.UTC(2026, 0, 1);
const latest = Date.UTC(2100, 0, 1);
/** Largest difference to the broker's clock, and largest jump of the clock during the check, in milliseconds. */
const toleranceMs = { broker: 5_000, jump: 1_000 };
/** Time for which the clock is compared with the monotonic clock, in milliseconds. */
const watchMs = 500;

/** The remedy. A minimal Debian has no time service, because systemd's is in a package of its own. */
const timeService =
  'install systemd-timesyncd or chrony to set it, and enable it: systemctl enable --now systemd-timesyncd (or chrony)';

/** Asks whether a time service sets the clock. Returns a text when the question is not possible. */
export type TimeSyncQuery = () => Promise<ProgramOutput | string>;

/** Returns the check. `broker` is undefined when the settings do not load; then no broker is asked. */
export const clock = (
  time: Clock,
  broker?: { context: Context; role: Role },
  setting: TimeSyncQuery = timedatectl,
): Check => ({
  name: 'clock',
  async run() {
    const [jump, ahead, synchronised] = await Promise.all([
      clockJump(time),
      broker && brokerClockAheadMs(broker.context, broker.role),
      setting(),
    ]);
    const now = time.now();
    const faults = [
      ...impossibleTime(now),
      ...jump,
      ...brokerDifference(ahead),
      ...notSynchronised(synchronised),
    ];
    const difference = ahead === undefined ? '' : `, ${seconds(ahead)} from the broker's`;
    return faults.length > 0 ? faults : [ok(`${readable(now)}${difference}`)];
  },
});

function impossibleTime(now: Date): Finding[] {
  const at = now.getTime();
  if (at >= earliest && at < latest) return [];
  const text = `the clock says ${readable(now)}, which must be wrong: certificates are refused, and all times shown are wrong`;
  return [failed(text, `set it, and ${timeService}`)];
}

const readable = (date: Date) =>
  Number.isNaN(date.getTime()) ? 'nothing' : date.toISOString().slice(0, 19).concat('Z');

async function clockJump(time: Clock): Promise<Finding[]> {
  const offset = () => time.now().getTime() - time.monotonic();
  const before = offset();
  await new Promise<void>(resolve => time.after(watchMs, resolve));
  const by = offset() - before;
  if (Math.abs(by) < toleranceMs.jump) return [];
  return [
    warning(
      `the clock jumped by ${seconds(by)} during this check`,
      'find out what sets it: only one time service should run',
    ),
  ];
}

async function brokerClockAheadMs({ accessChecks }: Context, role: Role): Promise<number | undefined> {
  for (const { result } of await accessChecks(role).catch(() => []))
    if (!('fault' in result) && result.clockAheadMs !== undefined) return result.clockAheadMs;
  return undefined;
}

function brokerDifference(ahead: number | undefined): Finding[] {
  if (ahead === undefined || Math.abs(ahead) < toleranceMs.broker) return [];
  const how = ahead > 0 ? 'behind' : 'ahead of';
  const text = `this clock is ${seconds(ahead)} ${how} the broker's: one of them is wrong`;
  return [warning(text, 'use the same time service on both machines')];
}

const seconds = (milliseconds: number) => `${Math.abs(milliseconds / 1000).toFixed(1)} s`;

function notSynchronised(said: ProgramOutput | string): Finding[] {
  if (typeof said === 'string' || said.status !== 0 || said.stdout.trim() !== 'no') return [];
  return [warning('no time service sets this clock, or it has not got the time yet', timeService)];
}

const timedatectl: TimeSyncQuery = () =>
  askProgram('timedatectl', ['show', '--property=NTPSynchronized', '--value']);
