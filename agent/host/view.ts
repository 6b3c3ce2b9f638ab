// What `muster probe` tells: the machine, and what the agent would make of it under the present settings.
import type { Settings } from '../config/settings.ts';
import type { Resources } from '../protocol/resources.ts';
import { version } from '../system/version.ts';
import { offeredCapacity } from './capacity.ts';
import { cloudLabels } from './cloud.ts';
import { type Condition, noConditions, type Observation, updateConditions } from './conditions.ts';
import { mismatches } from './declared.ts';
import { failures } from './gpu/gpu.ts';
import type { Inputs } from './inputs/inputs.ts';
import { nodeLabels } from './labels.ts';
import { offerableHardware, problems, type SurveyedMachine, surveyMachine, usableMemory } from './machine.ts';

export interface ProbeView extends SurveyedMachine {
  /** Of the program. */
  readonly muster: string;
  /** RFC 3339. */
  readonly readAt: string;
  /** What the agent would offer to the cluster. */
  readonly offer: Resources;
  readonly labels: Readonly<Record<string, string>>;
  /** Those that one look can find. */
  readonly conditions: readonly Condition[];
  /** What should have answered and did not, a sentence each. */
  readonly problems: readonly string[];
}

/** Asks `inputs` everything. Never throws. */
export async function probeView(
  inputs: Inputs,
  settings: Pick<Settings, 'compute' | 'node'>,
): Promise<ProbeView> {
  const readAt = inputs.now();
  const machine = await surveyMachine(inputs, { cloud: settings.node.cloudMetadata });
  const offer = offeredCapacity(settings.compute.allocatedCapacity, offerableHardware(machine));
  const { facts, gpuReports } = machine;
  const { name, ...labels } = nodeLabels(
    settings.node.id ?? '',
    { operatingSystem: facts.operatingSystem.value, architecture: facts.architecture.value },
    { ...cloudLabels(machine.cloud), ...settings.node.labels },
    offer.GPUs,
  );
  const inside = offerableHardware(machine);
  const wrong = mismatches(settings.node.declared, {
    ...inside,
    diskBytes: facts.disk?.value,
    gpus: inside.gpus ?? [],
  });
  const seen: Observation = {
    monotonic: 0,
    now: readAt,
    unresponsive: gpuReports.flatMap(({ source, fault }) =>
      fault?.kind === 'late' ? [`${source} ${fault.reason}`] : [],
    ),
    missingGpus: [...failures(machine.gpus), ...wrong.gpus],
    mismatches: wrong.others,
    disk: facts.disk && { total: facts.disk.value, available: facts.diskAvailable?.value ?? 0 },
    memory: usableMemory(machine),
  };
  // As if it stayed so: some rules wait for a second look.
  const { conditions } = updateConditions(updateConditions(noConditions, seen), seen);
  return {
    muster: version,
    readAt: readAt.toISOString(),
    ...machine,
    offer,
    // Without a configured id the agent makes one at its first start.
    labels: name ? { ...labels, name } : labels,
    conditions,
    problems: problems(machine),
  };
}
