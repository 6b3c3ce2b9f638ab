// The labels that tell of the GPUs that a node offers.
import type { Gpu } from '../../protocol/resources.ts';
import { tidy } from '../values/tidy.ts';

/** A node's labels are at most 256, see protocol/schema.ts: those of 64 GPUs, its own and 64 configured ones fit. */
const mostLabelled = 64;

/**
 * `GPU-<i>` and `GPU-<i>-Memory` as Bacalhau writes them (wire protocol 11): `i` is the place in the offer, blanks in the name
 * become `-`. Unlike there, a GPU of unknown memory has no second label, as `0-MiB` would be a lie that a selector believes.
 */
export function gpuLabels(gpus: readonly Gpu[]): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [place, gpu] of gpus.slice(0, mostLabelled).entries()) {
    const name = tidy(gpu.Name);
    if (name !== undefined) labels[`GPU-${place}`] = name.replace(/\s/g, '-');
    if (gpu.Memory) labels[`GPU-${place}-Memory`] = `${gpu.Memory}-MiB`;
  }
  return labels;
}
