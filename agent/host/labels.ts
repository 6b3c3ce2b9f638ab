// The labels that a job selects nodes by: what the machine says of itself, then what the operator adds or overrides.
import type { Gpu } from '../protocol/resources.ts';
import { gpuLabels } from './gpu/gpu-labels.ts';
import type { HostFacts } from './host-facts.ts';

/**
 * Built-in labels under both generations of Bacalhau's names (wire protocol 11), since a selector written for either
 * version must find the node, and a cluster may hold both: `Operating-System` and `Architecture` up to 1.7,
 * `os_type`, `os_arch` and `name` from 1.8 on. Then those of the GPUs that are offered. Unlike Bacalhau's, all give way to a
 * configured label of the same name.
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
