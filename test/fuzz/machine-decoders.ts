// The decoders of what a machine says of itself: tools and libraries of GPUs, control groups, the metadata of a cloud.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { privateFolderOf } from '../../agent/compute/survey/private-folder.ts';
import { readCloudFacts } from '../../agent/host/cloud.ts';
import type { GpuSource } from '../../agent/host/gpu/gpu.ts';
import { nvidiaSmi } from '../../agent/host/gpu/nvidia-smi.ts';
import { nvml } from '../../agent/host/gpu/nvml.ts';
import { rocmSmi } from '../../agent/host/gpu/rocm-smi.ts';
import { xpuSmi } from '../../agent/host/gpu/xpu-smi.ts';
import type { Answer, Inputs, ToolOutput } from '../../agent/host/inputs/inputs.ts';
import { readLimits } from '../../agent/host/limits.ts';
import type { NvmlAnswer } from '../../agent/host/native/native-probe.ts';
import {
  decimalNumber,
  jsonObject,
  lineValue,
  pciAddress,
  wholeNumber,
} from '../../agent/host/values/parse.ts';
import { tidy } from '../../agent/host/values/tidy.ts';
import type { Decoder } from './decoder.ts';

const unsafe = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u;
const never = () => false;
const answerOf = <T>(value: T): Promise<Answer<T>> => Promise.resolve({ value, took: 0 });
const absent = () =>
  Promise.resolve({ fault: { kind: 'absent' as const, reason: 'does not exist' }, took: 0 });

/** A machine that answers nothing but what `more` answers. */
const machineWith = (more: Partial<Inputs>): Inputs =>
  ({
    now: () => new Date(0),
    file: absent,
    folder: absent,
    link: absent,
    run: absent,
    nvml: absent,
    nvmlFigures: absent,
    cgroup: absent,
    metadata: absent,
    pciNames: absent,
    ...more,
  }) as Inputs;

/** Fails when a text could control a terminal, or a figure is no figure. */
function checkFacts(value: unknown): void {
  if (typeof value === 'string') assert.doesNotMatch(value, unsafe);
  else if (typeof value === 'number') assert.ok(Number.isFinite(value), `${value}`);
  else if (typeof value === 'object' && value !== null)
    for (const inner of Object.values(value)) checkFacts(inner);
}

async function readGpus(source: GpuSource, inputs: Inputs) {
  const { sightings, fault } = await source.read(inputs);
  assert.ok(sightings.length <= 256);
  checkFacts(fault?.reason);
  return sightings;
}

/** Returns the decoder of what a tool prints. */
function tool(source: GpuSource, form: 'json' | 'text', valid: fc.Arbitrary<unknown>): Decoder {
  return {
    what: `what ${source.name} prints`,
    covers: [`host/gpu/${source.name}.ts`, 'host/values/parse.ts jsonObject'],
    form,
    valid,
    isExpected: never,
    read: input => {
      const output: ToolOutput = { program: '/usr/bin/x', status: 0, stdout: String(input), stderr: '' };
      return readGpus(source, machineWith({ run: () => answerOf(output) }));
    },
    check: checkFacts,
    share: 0.5,
  };
}

/** Returns the decoder of a value in the output of a tool. */
const value = (what: string, valid: fc.Arbitrary<string>, read: (text: string) => unknown): Decoder => ({
  what,
  covers: ['host/values/parse.ts'],
  form: 'text',
  valid,
  isExpected: never,
  read: input => read(String(input)),
  check: checkFacts,
});

export const machineDecoders: readonly Decoder[] = [
  tool(
    nvidiaSmi,
    'text',
    fc.constant('0, GPU-1, NVIDIA H100, 00000000:01:00.0, 81559, 12, 550.54, 3, 41, 70.1, 0, Disabled\n'),
  ),
  tool(
    rocmSmi,
    'json',
    fc.constant({
      card0: {
        'PCI Bus': '0000:03:00.0',
        'Card series': 'MI300',
        'VRAM Total Memory (B)': '206141652992',
        'GPU use (%)': '3',
      },
      system: { 'Driver version': '6.7.0' },
    }),
  ),
  tool(
    xpuSmi,
    'json',
    fc.constant({
      device_list: [
        {
          device_id: 0,
          device_name: 'Max 1550',
          pci_bdf_address: '0000:29:00.0',
          memory_physical_size_byte: '68719476736',
        },
      ],
    }),
  ),
  {
    what: "what NVIDIA's library says",
    covers: ['host/gpu/nvml.ts'],
    form: 'json',
    valid: fc.constant({
      driverVersion: '550.54',
      cudaVersion: '12.4',
      gpus: [
        {
          index: 0,
          name: 'NVIDIA H100',
          uuid: 'GPU-1',
          pciAddress: '00000000:01:00.0',
          memoryTotal: 85_899_345_920,
          memoryUsed: 1_048_576,
          utilisation: 3,
          temperature: 41,
          power: 70.1,
          eccVolatile: 0,
          mig: true,
          migInstances: [{ index: 0, name: '1g.10gb', uuid: 'MIG-1', memoryTotal: 1e10 }],
          errors: [{ call: 'nvmlDeviceGetPowerUsage', error: 'NVML_ERROR_NOT_SUPPORTED' }],
        },
      ],
    }),
    isExpected: never,
    read: input => {
      const answer = nvmlAnswer(String(input));
      return answer && readGpus(nvml, machineWith({ nvml: () => answerOf(answer) }));
    },
    check: checkFacts,
  },
  {
    what: 'the metadata of a cloud',
    covers: ['host/cloud.ts readCloudFacts'],
    form: 'text',
    valid: fc.constantFrom(
      'i-0123456789abcdef0',
      'projects/123/machineTypes/a3-highgpu-8g',
      'us-central1-a',
      'p5.48xlarge',
    ),
    isExpected: never,
    read: input => readCloudFacts(machineWith({ metadata: () => answerOf(String(input)) })),
    check: checkFacts,
    share: 0.5,
  },
  {
    what: 'the files of control groups',
    covers: ['host/limits.ts readLimits', 'host/control-group.ts'],
    form: 'text',
    valid: fc.constantFrom(
      '0::/user.slice/a.scope',
      '5:memory:/a\n4:cpu,cpuacct:/b',
      '8589934592',
      'max',
      '100000 100000',
      'Cpus_allowed_list:\t0-3,8',
    ),
    isExpected: never,
    read: input => readLimits(machineWith({ file: () => answerOf(String(input)) })),
    check: checkFacts,
    share: 0.3,
  },
  {
    what: 'the mounts of this process',
    form: 'text',
    covers: ['compute/survey/private-folder.ts privateFolderOf'],
    valid: fc.constantFrom(
      '40 39 8:1 /tmp/systemd-private-0-muster-agent.service-A/tmp /tmp rw - ext4 /dev/sda1 rw',
      '41 39 0:23 /systemd/inaccessible/dir /home ro - tmpfs tmpfs rw\n42 41 8:1 /systemd-private-0/tmp /tmp rw - ext4 /dev/sda1 rw',
    ),
    isExpected: never,
    read: input => privateFolderOf('/tmp/busy', String(input)),
    check: checkFacts,
    share: 0.3,
  },
  value('a PCI address', fc.constantFrom('0000:01:00.0', '00000000:01:00.0', '01:00.0 VGA'), pciAddress),
  value('a whole number', fc.maxSafeNat().map(String), wholeNumber),
  value('a decimal number', fc.constantFrom('70.1', '3', '0.000000001'), decimalNumber),
  value('the text of a device', fc.constantFrom('NVIDIA H100 80GB HBM3', 'a b'), text => tidy(text)),
  value('a line with a key', fc.constant('Model name: AMD EPYC\n'), text =>
    lineValue(text, 'model name') === undefined ? undefined : true,
  ),
  value('JSON after words', fc.constant('WARNING: x\n{"a": 1}'), text =>
    jsonObject(text) ? true : undefined,
  ),
];

/**
 * Returns an answer in the form that the native probe gives it: its types are those of the addon, and so are checked by
 * Rust, but its texts and numbers may be any. Undefined for a text that has another form.
 */
function nvmlAnswer(text: string): NvmlAnswer | undefined {
  const { driverVersion, cudaVersion, gpus } = (jsonObject(text) ?? {}) as Record<string, unknown>;
  if (!Array.isArray(gpus)) return undefined;
  const textOf = (one: unknown) => (typeof one === 'string' ? one : undefined);
  const numberOf = (one: unknown) => (typeof one === 'number' ? one : undefined);
  const list = (one: unknown): Record<string, unknown>[] =>
    Array.isArray(one) ? one.map(inner => (typeof inner === 'object' && inner !== null ? inner : {})) : [];
  return {
    driverVersion: textOf(driverVersion),
    cudaVersion: textOf(cudaVersion),
    gpus: list(gpus).map(gpu => ({
      ...Object.fromEntries(
        ['memoryTotal', 'memoryUsed', 'utilisation', 'temperature', 'power', 'eccVolatile'].map(name => [
          name,
          numberOf(gpu[name]),
        ]),
      ),
      index: numberOf(gpu.index) ?? 0,
      name: textOf(gpu.name),
      uuid: textOf(gpu.uuid),
      pciAddress: textOf(gpu.pciAddress),
      mig: gpu.mig === true,
      migInstances: list(gpu.migInstances).map(one => ({
        index: numberOf(one.index) ?? 0,
        name: textOf(one.name),
        uuid: textOf(one.uuid),
        memoryTotal: numberOf(one.memoryTotal),
      })),
      errors: list(gpu.errors).map(one => ({ call: textOf(one.call) ?? '', error: textOf(one.error) ?? '' })),
    })),
  } as unknown as NvmlAnswer;
}
