// Tests that a recording is replayed as it was recorded, also from a file, and that other files are refused.
import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readCloudFacts } from '../../../agent/host/cloud.ts';
import { type Inputs, wrapInputs } from '../../../agent/host/inputs/inputs.ts';
import { SystemInputs } from '../../../agent/host/inputs/system-inputs.ts';
import { surveyMachine } from '../../../agent/host/machine.ts';
import { Recorder } from '../../../agent/host/recording/recorder.ts';
import {
  openRecording,
  parseRecording,
  recordingText,
  saveRecording,
} from '../../../agent/host/recording/recording.ts';
import { Replay } from '../../../agent/host/recording/replay.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import { newFolder } from '../../support/temporary.ts';
import { fakeMachine, fakeRecording, loadMachine, machineNames } from '../machines.ts';

async function refused(attempt: Promise<unknown>, code: string, message: RegExp): Promise<void> {
  const error = await attempt.then(
    () => assert.fail('it was read'),
    (error: unknown) => error,
  );
  assert.ok(error instanceof MusterError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, message);
}

test('a recorded machine that is recorded again is the same machine', async () => {
  for (const name of machineNames) {
    const recording = await loadMachine(name);
    const recorder = new Recorder(new Replay(recording));
    const machine = await surveyMachine(recorder);
    const folder = await newFolder();
    await saveRecording(folder, recorder.recording(true));
    assert.deepEqual(await surveyMachine(new Replay(await openRecording(folder))), machine, name);
  }
});

test('an anonymous recording shows a machine of the same kind', async () => {
  for (const name of machineNames) {
    const recorder = new Recorder(new Replay(await loadMachine(name)));
    const before = await surveyMachine(recorder);
    const after = await surveyMachine(new Replay(recorder.recording()));
    const kind = (machine: typeof before) =>
      machine.gpus.map(gpu => [gpu.address, gpu.usable, gpu.sources, gpu.memory?.value, gpu.name?.value]);
    assert.deepEqual(kind(after), kind(before), name);
    assert.deepEqual(after.limits.memory?.value, before.limits.memory?.value, name);
  }
});

test('the file of a recording has no character that controls a terminal, and is read unchanged', async () => {
  const hostile = 'Evil\u009b31m\u202e \u001b]0;x\u0007\u{e0001}\u007f';
  const recording = fakeRecording({
    answers: {
      [`file /a${hostile}`]: `one\t${hostile}\n\ntwo ${hostile}`,
      'file /b': `\t${hostile}\r`,
      'file /c': 'a\n\tb\n',
    },
  });
  const text = await recordingText(recording);
  assert.doesNotMatch(text, /(?![\n\t])[\p{Cc}\p{Cf}]/u);
  // Plain text of several lines is read as it was.
  assert.match(text, /^ {4}a\n {4}\tb$/m);
  assert.deepEqual(await parseRecording(text, 'x'), recording);
});

test('this machine can be recorded and replayed', async () => {
  const inventoryCommand = { command: '/nonexistent', args: [] };
  const inputs = new SystemInputs({
    folder: await newFolder(),
    inventoryCommand,
    probe: { reason: 'was not built' },
  });
  const recorder = new Recorder(inputs);
  const machine = await surveyMachine(recorder);
  inputs.close();
  const folder = await newFolder();
  const file = await saveRecording(folder, recorder.recording());
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const again = await surveyMachine(new Replay(await openRecording(folder)));
  assert.equal(again.facts.hostname.value, 'host-1');
  for (const fact of ['kernel', 'osName', 'cpus', 'memory', 'memoryAvailable', 'disk', 'cpuModel'] as const) {
    assert.deepEqual(again.facts[fact]?.value, machine.facts[fact]?.value, fact);
  }
  assert.deepEqual(again.limits.memory?.value, machine.limits.memory?.value);
  assert.deepEqual(again.sources.find(({ source }) => source === 'inventory')?.fault?.kind, 'failed');
});

test('late answers are recorded with their time, and absent files are not recorded', async () => {
  const inputs: Inputs = {
    ...wrapInputs(fakeMachine({ answers: { 'file /b': 'b' } }), ask => ask()),
    async file(path) {
      if (path === '/late')
        return { fault: { kind: 'late', reason: 'did not answer within 2 s' }, took: 2000.04 };
      return path === '/b'
        ? { value: 'b', took: 0.2 }
        : { fault: { kind: 'absent', reason: 'is not there' }, took: 0 };
    },
  };
  const recorder = new Recorder(inputs);
  await Promise.all(['/late', '/b', '/absent'].map(path => recorder.file(path)));
  await recorder.nvml();
  const { answers, faults, took } = recorder.recording();
  assert.deepEqual(answers, { 'file /b': 'b' });
  assert.deepEqual(faults, {
    'file /late': { kind: 'late', reason: 'did not answer within 2 s' },
    nvml: { kind: 'absent', reason: 'is not there' },
  });
  assert.deepEqual(took, { 'file /late': 2000 });
});

test('no recording has the token of a cloud, but it has the facts', async () => {
  const service = 'http://169.254.169.254/latest';
  const inputs = fakeMachine({
    answers: {
      [`metadata PUT ${service}/api/token`]: 'a-secret-token',
      [`metadata GET ${service}/meta-data/instance-id`]: 'i-0123456789abcdef0',
      [`metadata GET ${service}/meta-data/instance-type`]: 'p5.48xlarge',
    },
  });
  const recorder = new Recorder(inputs);
  const facts = await readCloudFacts(recorder);
  const recording = recorder.recording(true);
  assert.doesNotMatch(JSON.stringify(recording), /secret/);
  assert.deepEqual(await readCloudFacts(new Replay(recording)), facts);
});

test('a recording is opened by its folder or its file, and by nothing else', async () => {
  const folder = await newFolder();
  const recording = fakeRecording({});
  const file = await saveRecording(folder, recording);
  assert.deepEqual(await openRecording(file), recording);
  await writeFile(join(folder, 'other'), '');
  await refused(
    openRecording(join(folder, 'other')),
    'not_found',
    /no recorded machine: .*other\/machine\.yaml/,
  );
});

test('the hint for a recording that cannot be written proposes another folder', async () => {
  const file = join(await newFolder(), 'file');
  await writeFile(file, '');
  await assert.rejects(saveRecording(join(file, 'below'), fakeRecording({})), {
    code: 'not_writable',
    hint: 'free or unlock it, or record into another folder',
  });
});

test('a file that is no recording is refused', async () => {
  const folder = await newFolder();
  await refused(openRecording(folder), 'not_found', /no recorded machine: .*machine\.yaml does not exist/);
  const read = async (text: string) => {
    await writeFile(join(folder, 'machine.yaml'), text);
    return openRecording(folder);
  };
  await refused(read('a: [b'), 'bad_state', /is not YAML/);
  await refused(read('- a'), 'bad_state', /is no recorded machine/);
  // However long the text is that is wrong, its error is a sentence.
  await refused(read(`x: *${'a'.repeat(5_000)}`), 'bad_state', /is not YAML: .{1,310}$/);
  await refused(read('recordedAt: yesterday'), 'bad_state', /recordedAt is wrong/);
  await refused(read(`x: &a [1]\ny: [*a, *a]`), 'bad_state', /is not YAML/);
  const { system } = fakeRecording({});
  const whole = { recordedAt: '2026-01-01T00:00:00.000Z', system };
  await refused(
    read(JSON.stringify({ ...whole, faults: { ['a'.repeat(1_000)]: 1 } })),
    'bad_state',
    /: faults\.a{1,200}… is wrong$/,
  );
  await refused(
    read(JSON.stringify({ ...whole, system: { ...system, cpus: -1 } })),
    'bad_state',
    /system\.cpus/,
  );
  await refused(read(JSON.stringify({ ...whole, faults: { x: { kind: 'tired' } } })), 'bad_state', /faults/);
  assert.deepEqual((await read(JSON.stringify(whole))).answers, {});
  await refused(read(`x: ${'y'.repeat(9_000_000)}`), 'bad_state', /larger than/);
});

test('an answer of the wrong form makes only that question fail', async () => {
  const replay = fakeMachine({
    answers: {
      'file /a': 7,
      'folder /b': 'names',
      nvml: { gpus: 'many' },
      'pci 10de:1': {},
      space: { total: 1 },
    },
  });
  const asked = [
    replay.file('/a'),
    replay.folder('/b'),
    replay.nvml(),
    replay.pciNames('10de:1'),
    replay.space(),
  ];
  for (const { value, fault } of await Promise.all<{ value?: unknown; fault?: { kind: string } }>(asked)) {
    assert.deepEqual([value, fault?.kind], [undefined, 'failed']);
  }
});

test('a question named like a member of every object has no answer', async () => {
  for (const name of ['constructor', '__proto__', 'toString']) {
    assert.equal((await fakeMachine({}).file(name)).fault?.kind, 'absent');
    assert.equal((await new Replay(fakeRecording({})).link(name)).fault?.kind, 'absent');
  }
  const parsed = await parseRecording(
    JSON.stringify({
      recordedAt: '2026-01-01T00:00:00.000Z',
      system: fakeRecording({}).system,
      answers: { nvml: null },
    }),
    'x',
  );
  assert.equal((await new Replay(parsed).nvml()).fault?.kind, 'failed');
});
