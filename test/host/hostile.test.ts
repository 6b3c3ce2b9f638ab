// Tests that no source can do harm: for any answer nothing throws, and only plain text reaches a terminal or a label.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { probeText } from '../../agent/cli/commands/probe/probe-text.ts';
import { labels } from '../../agent/config/node.ts';
import type { Recording } from '../../agent/host/recording/recording.ts';
import { Replay } from '../../agent/host/recording/replay.ts';
import { type ProbeView, probeView } from '../../agent/host/view.ts';
import { jsonText, yamlText } from '../../agent/output/data.ts';
import { resourcesSchema } from '../../agent/protocol/resources.ts';
import { validate } from '../../agent/protocol/schema.ts';
import { defaultSettings } from '../support/default-settings.ts';
import { loadMachine, machineNames } from './machines.ts';

const settings = defaultSettings();
const view = (recording: Recording) => probeView(new Replay(recording), settings);
const recordings = await Promise.all(machineNames.map(loadMachine));

/** All characters that a terminal acts on, except the line breaks of the program. */
const unsafe = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

async function assertHarmless(shown: ProbeView): Promise<void> {
  for (const text of [probeText(shown, true), jsonText(shown), await yamlText(shown)]) {
    assert.doesNotMatch(text, unsafe);
    assert.ok(text.isWellFormed());
    assert.ok(text.length < 2_000_000);
  }
  // An operator could configure these labels, and a peer would accept this offer. Otherwise these calls throw.
  labels.read(new Map(Object.entries(shown.labels)), { folder: '', home: undefined });
  validate(resourcesSchema, shown.offer);
  for (const { reason } of shown.conditions) assert.ok(!unsafe.test(reason) && reason.length <= 512);
}

const evil = [
  '\u001b[2J\u001b]0;owned\u0007',
  'NODE-9\nAPPROVED\r',
  '\ufffd\ufffd(',
  'x'.repeat(10_000),
  '\u202egnp.exe',
  '\u0000',
];
const hostileText = fc.oneof(
  fc.constantFrom(...evil),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom('', '-1', '1e999', '99999999999999999999', 'null', '{', '[]', '0x', '0-999999', 'max max'),
);

/**
 * Returns `value` with one of its texts replaced by `by`, or with `by` inserted. `at.left` is how many texts come before
 * it.
 */
function mutated(value: unknown, at: { left: number }, by: string, whole: boolean): unknown {
  if (typeof value === 'string') {
    if (at.left-- !== 0) return value;
    const middle = Math.floor(value.length / 2);
    return whole ? by : `${value.slice(0, middle)}${by}${value.slice(middle)}`;
  }
  if (typeof value === 'number') return at.left-- === 0 ? numberOf(by) : value;
  if (Array.isArray(value)) return value.map(inner => mutated(inner, at, by, whole));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, mutated(inner, at, by, whole)]),
  );
}

const numberOf = (text: string) => [-1, 0.5, Number.MAX_SAFE_INTEGER, 1e300, 0][text.length % 5];
const leaves = (value: unknown): number =>
  typeof value === 'object' && value !== null
    ? Object.values(value).reduce((sum: number, inner) => sum + leaves(inner), 0)
    : 1;

test('hostile text in every answer of every recorded machine does no harm', async () => {
  for (const recording of recordings) {
    for (const text of evil) {
      const answers = Object.fromEntries(
        Object.entries(recording.answers).map(([key, value]) => [key, withSuffix(value, text)]),
      );
      await assertHarmless(
        await view({
          ...recording,
          answers,
          system: { ...recording.system, hostname: text, cpuModel: text },
        }),
      );
    }
  }
});

// Puts `text` after every word. Texts in a list stay, because they are names of other files.
function withSuffix(value: unknown, text: string): unknown {
  if (typeof value === 'string') return value.replace(/(?<=[A-Za-z)])(?=$|[\n",])/g, text);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value))
    return value.map(inner => (typeof inner === 'string' ? inner : withSuffix(inner, text)));
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withSuffix(inner, text)]));
}

test('a hostile name is shown in a harmless form', async () => {
  const name = 'Tesla\u001b[31m T4\nGPU-9=free\u0000';
  const gpu = { index: 0, name, pciAddress: '0000:01:00.0', memoryTotal: 2 ** 34, uuid: name };
  const shown = await view({
    ...(recordings[0] as Recording),
    answers: { nvml: { driverVersion: name, gpus: [gpu] } },
  });
  assert.deepEqual(
    Object.entries(shown.labels).filter(([key]) => key.startsWith('GPU')),
    [
      ['GPU-0', 'Tesla-[31m-T4-GPU-9=free'],
      ['GPU-0-Memory', '16384-MiB'],
    ],
  );
  assert.match(probeText(shown, false), /^GPU NVIDIA 0: Tesla \[31m T4 GPU-9=free$/m);
  await assertHarmless(shown);
});

test('any change of a recorded machine is read without an error', async () => {
  const change = fc.record({ at: fc.nat(), by: hostileText, whole: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(
      fc.nat(recordings.length - 1),
      fc.array(change, { minLength: 1, maxLength: 5 }),
      async (index, changes) => {
        const recording = recordings[index] as Recording;
        let answers: unknown = recording.answers;
        for (const { at, by, whole } of changes) {
          answers = mutated(answers, { left: at % leaves(answers) }, by, whole);
        }
        await assertHarmless(await view({ ...recording, answers: answers as Recording['answers'] }));
      },
    ),
    { numRuns: 200 },
  );
});

test('a failure of any question, of any kind, does no harm', async () => {
  const kind = fc.constantFrom('absent', 'denied', 'late', 'failed');
  await fc.assert(
    fc.asyncProperty(
      fc.nat(recordings.length - 1),
      fc.array(fc.tuple(fc.nat(), kind, hostileText), { maxLength: 8 }),
      async (index, failing) => {
        const recording = recordings[index] as Recording;
        const keys = Object.keys(recording.answers);
        const faults = Object.fromEntries(
          failing.map(([at, kind, reason]) => [keys[at % keys.length] ?? '', { kind, reason }] as const),
        );
        const shown = await view({ ...recording, faults });
        await assertHarmless(shown);
        if (failing.some(([, kind]) => kind === 'late')) return;
        assert.ok(!shown.conditions.some(({ type }) => type === 'GpuDriverUnresponsive'));
      },
    ),
    { numRuns: 150 },
  );
});
