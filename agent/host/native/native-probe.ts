// The native probe: what it offers, and how it is found. The agent runs without it, and says what that costs.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type * as Native from '../../../native/index.d.ts';
import { scratchFolders, systemEnvironment } from '../../config/environment.ts';
import { reasonOf } from '../../system/errors.ts';
import { asset, contents } from '../../system/packaged.ts';
import { printable } from '../../system/printable.ts';
import { loadAddon } from './addon.ts';

/** What the agent uses of it. */
export type NativeProbe = Pick<
  typeof Native,
  'cgroup' | 'disk' | 'exitNow' | 'gpusNvml' | 'notify' | 'nvmlFigures' | 'sample'
>;

export type { Cgroup, NvmlGpu, NvmlMark } from '../../../native/index.d.ts';

/** What changes on a GPU: bytes of memory in use, percent, degrees Celsius, watts. NaN is none, too. */
export type NvmlFigures = Pick<Native.NvmlGpu, 'memoryUsed' | 'utilisation' | 'temperature' | 'power'>;

/** What NVML answered, when it did. */
export type NvmlAnswer = Pick<Native.NvmlReport, 'driverVersion' | 'cudaVersion' | 'gpus'>;

export type LoadedProbe =
  | { readonly probe: NativeProbe; readonly path: string }
  | { readonly probe?: undefined /** Why there is none, a sentence's end. */; readonly reason: string };

/** Loads the probe: the one that the packaged file carries, else the one that was built beside the program. Never throws. */
export function loadProbe(): LoadedProbe {
  const carried = contents()?.probe;
  if (!carried) return loadProbeFrom(besideTheProgram());
  if ('missing' in carried) return { reason: carried.missing };
  const loaded = loadAddon(asset('probe'), scratchFolders(systemEnvironment));
  if ('reason' in loaded) return { reason: `does not load (${printable(loaded.reason, 1000)})` };
  if (!offersAll(loaded.exports)) return { reason: 'is of another version than the program' };
  return { probe: loaded.exports, path: `${process.execPath} (by way of ${loaded.from})` };
}

/** Loads the probe from the first of `paths` that fits: a build may leave one for each C library. Never throws. */
export function loadProbeFrom(paths: readonly string[]): LoadedProbe {
  let reason = 'was not built';
  for (const path of paths.filter(existsSync)) {
    try {
      const probe: unknown = createRequire(import.meta.url)(path);
      if (offersAll(probe)) return { probe, path };
      reason = `is of another version (${path})`;
    } catch (error) {
      reason = `does not load (${path}): ${printable(reasonOf(error), 300)}`;
    }
  }
  return { reason };
}

/** Where `native/build` puts it: `probe.linux-x64-gnu.node`, `probe.darwin-arm64.node`. */
function besideTheProgram(): string[] {
  const { platform, arch } = process;
  const kinds = platform === 'linux' ? ['-gnu', '-musl'] : [''];
  return kinds.map(kind =>
    fileURLToPath(new URL(`../../../native/probe.${platform}-${arch}${kind}.node`, import.meta.url)),
  );
}

function offersAll(probe: unknown): probe is NativeProbe {
  const functions = [
    'cgroup',
    'disk',
    'exitNow',
    'gpusNvml',
    'notify',
    'nvmlFigures',
    'sample',
  ] satisfies (keyof NativeProbe)[];
  return functions.every(name => typeof (probe as Record<string, unknown> | null)?.[name] === 'function');
}
