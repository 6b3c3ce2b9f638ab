// Opens the connection to the service manager that started this process. When it asked for no notifications, nothing is
// loaded.
import { type NotifyRequest, takeNotifyRequest } from '../config/environment.ts';
import { systemClock } from '../system/clock.ts';
import type { Log } from '../system/log.ts';
import { SdNotifier, type StatusNotifier } from './notifier.ts';

/** The function of the native probe that sends a notification, or the reason why there is none. */
export type NotifyResult =
  | { readonly notify: (socket: string, state: string) => unknown }
  | { readonly notify?: undefined; readonly reason: string };

/**
 * Opens the connection and removes the request from the environment. Call it once, before the role starts a child. Never
 * throws.
 */
export async function openNotifier(
  log: Log,
  request: NotifyRequest | undefined = takeNotifyRequest(),
  find: () => Promise<NotifyResult> = loadNotify,
): Promise<StatusNotifier> {
  if (!request) return silentNotifier;
  const { socket, watchdogMs } = request;
  const result = await find();
  const { notify } = result;
  if (!notify) {
    log.warn(
      { reason: result.reason },
      'only the native probe can notify the service manager: the unit stays "activating" although the role works; with Type=exec in a drop-in it counts as started',
    );
    return silentNotifier;
  }
  return new SdNotifier({
    send: state => notify(socket, state),
    watchdogMs,
    microseconds: () => process.hrtime.bigint() / 1000n,
    clock: systemClock,
    log,
  });
}

async function loadNotify(): Promise<NotifyResult> {
  const { loadProbe } = await import('../host/native/native-probe.ts');
  const loaded = loadProbe();
  return loaded.probe ? { notify: loaded.probe.notify } : { reason: `the native probe ${loaded.reason}` };
}

const doNothing = () => undefined;
const silentNotifier: StatusNotifier = {
  setSource: doNothing,
  update: doNothing,
  updateSoon: doNothing,
  reloading: doNothing,
  reloaded: doNothing,
  stopping: doNothing,
};
