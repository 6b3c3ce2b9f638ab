// Finds and loads the native probe, the Rust addon. The agent also runs without it, but then knows less about the machine.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type * as Native from '../../../native/index.d.ts';
import { scratchFolders, systemEnvironment } from '../../config/environment.ts';
import { reasonOf } from '../../system/errors.ts';
import { packagedContents, readAsset } from '../../system/packaged.ts';
import { printable } from '../../system/printable.ts';
import { loadAddon } from './addon.ts';

/** The functions of the addon that the agent uses. */
export type NativeProbe = Pick<
  typeof Native,
  | 'cgroup'
  | 'disk'
  | 'exitNow'
  | 'giveBackFreed'
  | 'giveBackGarbage'
  | 'giveBackProgram'
  | 'gpusNvml'
  | 'notify'
  | 'nvmlFigures'
  | 'sample'
>;

export type { Cgroup, NvmlGpu, NvmlMark } from '../../../native/index.d.ts';

/**
 * The figures of a GPU that change all the time: memory in use in bytes, utilisation in percent, temperature in degrees
 * Celsius, power in watts. An unknown figure is absent or NaN.
 */
export type NvmlFigures = Pick<Native.NvmlGpu, 'memoryUsed' | 'utilisation' | 'temperature' | 'power'>;

/** The answer of NVML, NVIDIA's library. */
export type NvmlAnswer = Pick<Native.NvmlReport, 'driverVersion' | 'cudaVersion' | 'gpus'>;

export type LoadedProbe =
  | { readonly probe: NativeProbe; readonly path: string }
  | {
      readonly probe?: undefined;
      /** The reason why there is no probe: the end of a sentence that starts with "the native probe". */
      readonly reason: string;
    };

let loaded: LoadedProbe | undefined;

/**
 * Loads the native probe from the packaged program if that contains one, otherwise from the place where `native/build`
 * put it. It is loaded only once. Never throws: when there is no probe, the result contains the reason.
 */
export function loadProbe(): LoadedProbe {
  loaded ??= load();
  return loaded;
}

function load(): LoadedProbe {
  const carried = packagedContents()?.probe;
  if (!carried) return loadProbeFrom(builtProbePaths());
  if ('missing' in carried) return { reason: carried.missing };
  const addon = loadAddon(readAsset('probe'), scratchFolders(systemEnvironment));
  if ('reason' in addon) return { reason: `does not load (${printable(addon.reason, 1000)})` };
  if (!hasAllFunctions(addon.exports)) return { reason: 'is of another version than the program' };
  return { probe: addon.exports, path: `${process.execPath} (by way of ${addon.from})` };
}

/**
 * Loads the native probe from the first of `paths` that fits. A build may produce one file for each C library. Never
 * throws.
 */
export function loadProbeFrom(paths: readonly string[]): LoadedProbe {
  let reason = 'was not built';
  for (const path of paths.filter(existsSync)) {
    try {
      const probe: unknown = createRequire(import.meta.url)(path);
      if (hasAllFunctions(probe)) return { probe, path };
      reason = `is of another version (${path})`;
    } catch (error) {
      reason = `does not load (${path}): ${printable(reasonOf(error), 300)}`;
    }
  }
  return { reason };
}

/** Returns the paths where `native/build` puts the addon: `probe.linux-x64-gnu.node`, `probe.darwin-arm64.node`. */
function builtProbePaths(): string[] {
  const { platform, arch } = process;
  const kinds = platform === 'linux' ? ['-gnu', '-musl'] : [''];
  return kinds.map(kind =>
    fileURLToPath(new URL(`../../../native/probe.${platform}-${arch}${kind}.node`, import.meta.url)),
  );
}

function hasAllFunctions(probe: unknown): probe is NativeProbe {
  const functions = [
    'cgroup',
    'disk',
    'exitNow',
    'giveBackFreed',
    'giveBackGarbage',
    'giveBackProgram',
    'gpusNvml',
    'notify',
    'nvmlFigures',
    'sample',
  ] satisfies (keyof NativeProbe)[];
  return functions.every(name => typeof (probe as Record<string, unknown> | null)?.[name] === 'function');
}
