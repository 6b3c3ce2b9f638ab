// Builds the labels with which jobs select nodes: the labels of the machine, then those that the operator adds or overrides.
import type { Gpu } from '../protocol/resources.ts';
import { gpuLabels } from './gpu/gpu-labels.ts';
import type { HostFacts } from './host-facts.ts';

/**
 * Returns the labels of a node. The built-in labels have the names of both generations of Bacalhau, because a selector
 * for either must find the node: `Operating-System` and `Architecture` up to 1.7, `os_type`, `os_arch` and `name` from
 * 1.8 on. The labels of the offered GPUs follow. A configured label replaces a built-in label of the same name, which
 * Bacalhau does not allow.
 */
export function nodeLabels(
  nodeId: string,
  facts: Pick<HostFacts, 'operatingSystem' | 'architecture'>,
  configured: Readonly<Record<string, string>>,
  gpus: readonly Gpu[] = [],
): Record<string, string> {
  return {
    Architecture: facts.architecture,
    'Operating-System': facts.operatingSystem,
    name: nodeId,
    os_arch: facts.architecture,
    os_type: facts.operatingSystem,
    ...gpuLabels(gpus),
    ...configured,
  };
}
