// Checks that the drivers of the GPUs answer, and that the GPUs can be used.
import type { GpuDevice } from '../../host/gpu/gpu.ts';
import { type Check, type Finding, failed, ok, warning } from './check.ts';
import type { Context } from './context.ts';

/**
 * Time for the check, in milliseconds. A driver may need more than a second for each GPU that sleeps. A GPU source times
 * out after 15 s.
 */
const gpuTimeoutMs = 25_000;

export const gpus = ({ machine }: Context): Check => ({
  name: 'gpus',
  timeoutMs: gpuTimeoutMs,
  async run() {
    const { gpus, gpuReports, problems, conditions } = await machine();
    const late = gpuReports.filter(({ fault }) => fault?.kind === 'late');
    const hung = late.map(({ source, fault }) =>
      failed(
        `${source} ${fault?.reason}: the driver hangs`,
        'see the kernel log (dmesg); usually only a restart of the machine helps',
      ),
    );
    const names = gpuReports.map(({ source }) => source as string);
    // From the other problems, only those of GPU sources are shown here.
    const others = problems.filter(
      text =>
        names.some(name => text.startsWith(`${name} `)) &&
        !late.some(({ source }) => text.startsWith(`${source} `)),
    );
    const missing = conditions.filter(({ type }) => type === 'GpuMissing');
    return [
      ...gpus.map(describe),
      ...hung,
      ...others.map(text => warning(text, 'see "muster probe --sources"')),
      ...missing.map(({ reason }) => failed(reason, 'see the lines above, or correct node.declared.*')),
      ...(gpus.length + late.length === 0 ? [ok('none on this machine')] : []),
    ];
  },
});

/** Matches the reasons of GPUs that are not meant for jobs. */
const expectedReasons = /^(a display adapter\b|it is set aside for a virtual machine\b)/;

function describe({ vendor, name, address, usable, reason, driver, driverVersion }: GpuDevice): Finding {
  const which = `${name?.value ?? `a GPU of ${vendor}`}${address ? ` at ${address}` : ''}`;
  if (usable) {
    const words = [driver?.value, driverVersion?.value].filter(word => word !== undefined);
    return ok(words.length > 0 ? `${which}, driver ${words.join(' ')}` : which);
  }
  const text = `${which} cannot be used: ${reason ?? 'the reason is not known'}`;
  if (reason && expectedReasons.test(reason)) return ok(text);
  return warning(text, 'install its driver, or see in the kernel log (dmesg) why it does not load');
}
