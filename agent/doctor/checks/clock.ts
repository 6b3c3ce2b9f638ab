// Check: the clock is right, as far as a machine can tell by itself, by its broker, and by who sets it.
import type { Role } from '../../config/role.ts';
import type { Clock } from '../../system/clock.ts';
import { askProgram, type ProgramOutput } from './ask-program.ts';
import { type Check, type Finding, failed, ok, warning } from './check.ts';
import type { Context } from './context.ts';

/** muster is no older than this. */
const earliest = Date.UTC(2026, 0, 1);
const latest = Date.UTC(2100, 0, 1);
/** Milliseconds by which the broker's clock may differ, and the wall clock from the monotonic one while we look. */
const toleranceMs = { broker: 5_000, jump: 1_000 };
/** Milliseconds for which the two clocks are watched. */
const watchMs = 500;

/** A bare Debian has none: systemd's is a package of its own. */
const timeService =
  'have it kept right by systemd-timesyncd or chrony: install one, and systemctl enable --now systemd-timesyncd (chrony)';

/** What asks whether somebody sets the clock; answers why it cannot. */
export type TimeSyncQuery = () => Promise<ProgramOutput | string>;

/** `context` and `role` are undefined where the settings are not known: no broker is asked then. */
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
    const known = ahead === undefined ? '' : `, ${seconds(ahead)} from the broker's`;
    return faults.length > 0 ? faults : [ok(`${readable(now)}${known}`)];
  },
});

function impossibleTime(now: Date): Finding[] {
  const at = now.getTime();
  if (at >= earliest && at < latest) return [];
  const text = `the clock says ${readable(now)}, which cannot be: certificates fail, and what happened seems to be long ago`;
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
      `the clock jumped by ${seconds(by)} while we looked`,
      'see what sets it: one service at a time should',
    ),
  ];
}

async function brokerClockAheadMs({ examinations }: Context, role: Role): Promise<number | undefined> {
  const found = await examinations(role).catch(() => []);
  for (const one of found)
    if (!('fault' in one.result) && one.result.clockAheadMs !== undefined) return one.result.clockAheadMs;
  return undefined;
}

function brokerDifference(ahead: number | undefined): Finding[] {
  if (ahead === undefined || Math.abs(ahead) < toleranceMs.broker) return [];
  const how = ahead > 0 ? 'behind' : 'ahead of';
  const text = `this clock is ${seconds(ahead)} ${how} the broker's: one of them is wrong`;
  return [warning(text, 'have both set by the same time service')];
}

const seconds = (milliseconds: number) => `${Math.abs(milliseconds / 1000).toFixed(1)} s`;

function notSynchronised(said: ProgramOutput | string): Finding[] {
  if (typeof said === 'string' || said.status !== 0 || said.stdout.trim() !== 'no') return [];
  return [warning('no time service sets this clock, or it has no answer yet', timeService)];
}

const timedatectl: TimeSyncQuery = () =>
  askProgram('timedatectl', ['show', '--property=NTPSynchronized', '--value']);
