// Builds the labels of the GPUs that a node offers.
import type { Gpu } from '../../protocol/resources.ts';
import { tidy } from '../values/tidy.ts';

/**
 * Number of GPUs that get labels. Each of them gets two, so 128 are needed for 64 GPUs. With the built-in labels and 64
 * configured ones, a node has fewer than the allowed 256 labels (see protocol/schema.ts).
 */
const maxLabelledGpus = 64;

/**
 * Returns the labels `GPU-<i>` and `GPU-<i>-Memory` as Bacalhau writes them. `i` is the place in the offer, and blanks in
 * a name become `-`. Unlike in Bacalhau, a GPU of unknown memory has no second label, because a selector would take
 * `0-MiB` for the real size.
 */
export function gpuLabels(gpus: readonly Gpu[]): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [place, gpu] of gpus.slice(0, maxLabelledGpus).entries()) {
    const name = tidy(gpu.Name);
    if (name !== undefined) labels[`GPU-${place}`] = name.replace(/\s/g, '-');
    if (gpu.Memory) labels[`GPU-${place}-Memory`] = `${gpu.Memory}-MiB`;
  }
  return labels;
}
