// Builds what `muster probe` shows: the machine, and what the agent would offer and report with the present settings.
import type { Settings } from '../config/settings.ts';
import type { Resources } from '../protocol/resources.ts';
import { version } from '../system/version.ts';
import type { ChosenAddress } from './address.ts';
import { offeredCapacity } from './capacity.ts';
import { cloudLabels } from './cloud.ts';
import { type Condition, noConditions, type Observation, updateConditions } from './conditions.ts';
import { mismatches } from './declared.ts';
import { failures } from './gpu/gpu.ts';
import type { Inputs } from './inputs/inputs.ts';
import { nodeLabels } from './labels.ts';
import { offerableHardware, problems, type SurveyedMachine, surveyMachine, usableMemory } from './machine.ts';

/** The data that `muster probe -o json` prints. The names of the members do not change. */
export interface ProbeView extends SurveyedMachine {
  /** The version of this program. */
  readonly muster: string;
  /** Time of the reading, RFC 3339. */
  readonly readAt: string;
  /** The address that the agent would show, as far as it is known without a broker; absent for a machine that was recorded. */
  readonly address?: ChosenAddress | undefined;
  /** The resources that the agent would offer to the cluster. */
  readonly offer: Resources;
  readonly labels: Readonly<Record<string, string>>;
  /** The conditions that can be seen from one observation. */
  readonly conditions: readonly Condition[];
  /** One sentence for each source that should have answered but did not. */
  readonly problems: readonly string[];
}

/** Asks all questions of `inputs`. `address` is that of this machine. Called by `muster probe` and `muster doctor`. Never throws. */
export async function probeView(
  inputs: Inputs,
  settings: Pick<Settings, 'compute' | 'node'>,
  address?: ChosenAddress,
): Promise<ProbeView> {
  const readAt = inputs.now();
  const machine = await surveyMachine(inputs, { cloud: settings.node.cloudMetadata });
  const hardware = offerableHardware(machine);
  const offer = offeredCapacity(settings.compute.allocatedCapacity, hardware);
  const { facts, gpuReports } = machine;
  const { name, ...labels } = nodeLabels(
    settings.node.id ?? '',
    { operatingSystem: facts.operatingSystem.value, architecture: facts.architecture.value },
    { ...cloudLabels(machine.cloud), ...settings.node.labels },
    offer.GPUs,
  );
  const wrong = mismatches(settings.node.declared, {
    ...hardware,
    diskBytes: facts.disk?.value,
  });
  const observation: Observation = {
    monotonicMs: 0,
    now: readAt,
    unresponsive: gpuReports.flatMap(({ source, fault }) =>
      fault?.kind === 'late' ? [`${source} ${fault.reason}`] : [],
    ),
    missingGpus: [...failures(machine.gpus), ...wrong.gpus],
    mismatches: wrong.others,
    disk: facts.disk && { total: facts.disk.value, available: facts.diskAvailable?.value ?? 0 },
    memory: usableMemory(machine),
  };
  // The observation is applied twice, because some rules wait for a second one.
  const { conditions } = updateConditions(updateConditions(noConditions, observation), observation);
  return {
    muster: version,
    readAt: readAt.toISOString(),
    ...machine,
    ...(address ? { address } : {}),
    offer,
    // Without a configured id the agent makes an id at its first start, so there is no name yet.
    labels: name ? { ...labels, name } : labels,
    conditions,
    problems: problems(machine),
  };
}
