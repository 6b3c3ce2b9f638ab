// Tests what a survey says of this real machine: some facts at once, the inventory later. A failure of one source does not
// spread.
import assert from 'node:assert/strict';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type Offer, Survey } from '../../../agent/compute/survey/survey.ts';
import { type ChildCommand, type Inventory, saveInventory } from '../../../agent/host/inventory/inventory.ts';
import { writeJson } from '../../../agent/protocol/json.ts';
import { registerRequestSchema, updateResourcesRequestSchema } from '../../../agent/protocol/messages.ts';
import { validate } from '../../../agent/protocol/schema.ts';
import { type Clock, systemClock } from '../../../agent/system/clock.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { recordLog } from '../../support/log-lines.ts';
import { newFolder } from '../../support/temporary.ts';

const node = 'node-1';
const offer: Offer = {
  allocatedCapacity: {
    cpu: { percent: 50 },
    memory: { percent: 50 },
    disk: { percent: 50 },
    gpu: { percent: 100 },
  },
  labels: { zone: 'eu' },
};
const inventory: Inventory = {
  takenAt: '2026-01-01T00:00:00.000Z',
  cpu: { manufacturer: 'AMD', brand: 'EPYC', speed: 2.4, physicalCores: 4 },
  memory: 8_589_934_592,
  disk: 1_000_000_000,
  os: { distro: 'Debian GNU/Linux', release: '13', kernel: '6.12.0' },
  virtualisation: 'KVM',
  manufacturer: 'QEMU',
  model: 'Standard PC',
};

const program = (code: string): ChildCommand => ({ command: process.execPath, args: ['-e', code] });
const printing = (value: unknown) => program(`console.log(${JSON.stringify(JSON.stringify(value))})`);

async function open(folder: string, inventoryCommand = printing(inventory), clock: Clock = systemClock) {
  const { log, lines } = recordLog();
  const survey = await Survey.open({ node, folder, inventoryCommand, log, clock }, offer);
  // Where the native probe was not built, a line says so. These tests are about other lines.
  const rest = lines.filter(({ message }) => !message.startsWith('running without the native probe'));
  lines.splice(0, lines.length, ...rest);
  return { survey, lines };
}

/** Takes the inventory, and returns whether that changed the node's information. */
async function isChangedBy(survey: Survey): Promise<boolean> {
  const before = survey.infoChanges;
  await survey.takeInventory();
  return survey.infoChanges > before;
}

describe('before the first scan', () => {
  test('a requester can read the information, and it describes this machine', async () => {
    const { survey } = await open(await newFolder());
    const { Info } = validate(registerRequestSchema, JSON.parse(writeJson({ Info: survey.info() })));
    assert.deepEqual([Info.NodeID, Info.NodeType, Info.Hostname], [node, 'Compute', os.hostname()]);
    assert.equal(Info.BacalhauVersion.GOOS, process.platform);
    assert.equal(Info.Host?.Memory, os.totalmem());
    assert.equal(Info.ComputeNodeInfo.MaxCapacity.Memory, Math.trunc(os.totalmem() / 2));
    assert.deepEqual([Info.Labels?.zone, Info.Labels?.name], ['eu', node]);
    assert.deepEqual(Info.SupportedProtocols, ['bprotocol/v2']);
  });

  test('no more is free than is offered', async () => {
    const { survey } = await open(await newFolder());
    const { available, usage } = survey.sample();
    const message = { NodeID: node, AvailableCapacity: available, QueueUsedCapacity: {}, Usage: usage };
    const read = validate(updateResourcesRequestSchema, JSON.parse(writeJson(message)));
    assert.deepEqual(read.AvailableCapacity, available);
    const { MaxCapacity, AvailableCapacity } = survey.info().ComputeNodeInfo;
    assert.deepEqual(AvailableCapacity, available, 'the information has the same sample');
    for (const part of ['CPU', 'Memory', 'Disk'] as const)
      assert.ok((available[part] ?? 0) <= (MaxCapacity[part] ?? 0));
    assert.ok(usage.Memory > 0 && usage.Disk > 0 && usage.CPU >= 0);
  });

  test('a changed offer takes effect with the next report', async () => {
    const { survey } = await open(await newFolder());
    survey.reload({ allocatedCapacity: { ...offer.allocatedCapacity, cpu: { amount: 1 } }, labels: {} });
    const { Labels, ComputeNodeInfo } = survey.info();
    assert.deepEqual([Labels?.zone, ComputeNodeInfo.MaxCapacity.CPU], [undefined, 1]);
    survey.reload({ ...offer, allocatedCapacity: { ...offer.allocatedCapacity, memory: { amount: 1 } } });
    assert.equal(
      survey.info().ComputeNodeInfo.AvailableCapacity.Memory,
      1,
      'what is not offered is not free',
    );
  });

  test('a saved inventory is used; one that cannot be read is logged', async () => {
    const folder = await newFolder();
    await saveInventory(folder, inventory);
    const { survey, lines } = await open(folder);
    assert.deepEqual([survey.info().Host?.Virtualisation, lines], ['KVM', []]);
    await writeFile(join(folder, 'inventory.json'), 'torn');
    const unreadable = await open(folder);
    assert.equal(unreadable.survey.info().Host?.Virtualisation, undefined);
    assert.deepEqual(
      unreadable.lines.map(line => line.message),
      ['the saved inventory cannot be read; it is taken again'],
    );
  });
});

describe('the inventory', () => {
  test('changes the information once, and is saved', async () => {
    const folder = await newFolder();
    const { survey } = await open(folder);
    assert.equal(await isChangedBy(survey), true);
    assert.equal(survey.info().Host?.Virtualisation, 'KVM');
    assert.equal(JSON.parse(await readFile(join(folder, 'inventory.json'), 'utf8')).model, 'Standard PC');
    assert.equal(await isChangedBy(survey), false);
    const later = await open(folder, printing({ ...inventory, takenAt: '2027-01-01T00:00:00.000Z' }));
    assert.equal(await isChangedBy(later.survey), false, 'the same facts at a later time');
  });

  test('that cannot be taken is logged, and the last one stays in use', async () => {
    const folder = await newFolder();
    await saveInventory(folder, inventory);
    for (const command of [
      program('process.exit(3)'),
      printing('nonsense'),
      { command: '/nowhere', args: [] },
    ]) {
      const { survey, lines } = await open(folder, command);
      assert.equal(await isChangedBy(survey), false);
      assert.deepEqual(
        lines.map(line => line.level),
        ['warn'],
      );
      assert.equal(survey.info().Host?.Virtualisation, 'KVM');
    }
  });

  test('is stale by the time since it was renewed, whatever the wall clock and the saved inventory say', async () => {
    const folder = await newFolder();
    const works = join(folder, 'works');
    const text = JSON.stringify(JSON.stringify(inventory));
    const command = program(
      `if (!fs.existsSync(${JSON.stringify(works)})) process.exit(3); console.log(${text})`,
    );
    const clock = new FakeClock(new Date(inventory.takenAt));
    const { survey } = await open(folder, command, clock);
    const isStale = () => {
      survey.sample();
      return survey.info().Conditions?.some(({ Type }) => Type === 'InventoryStale') ?? false;
    };
    await survey.takeInventory();
    assert.ok(!isStale(), 'there is none yet, and one failed attempt does not count');
    await survey.takeInventory();
    assert.ok(isStale(), 'there is none');
    await writeFile(works, '');
    await survey.takeInventory();
    assert.ok(!isStale(), 'it was taken');
    clock.moveWall(24 * 3_600_000);
    assert.ok(!isStale(), 'the clock was set');
    await rm(works);
    clock.moveWall(-48 * 3_600_000);
    await clock.advance(151 * 60_000);
    await survey.takeInventory();
    assert.ok(isStale(), 'it was not renewed for too long');

    const again = await open(folder, command, clock);
    await again.survey.takeInventory();
    again.survey.sample();
    const types = again.survey.info().Conditions?.map(({ Type }) => Type);
    assert.ok(
      !types?.includes('InventoryStale'),
      'one failed attempt to renew a saved inventory does not count yet',
    );
  });

  test('that cannot be saved changes the information all the same', async () => {
    const folder = await newFolder();
    const { survey, lines } = await open(folder);
    await rm(folder, { recursive: true });
    assert.equal(await isChangedBy(survey), true);
    assert.equal(survey.info().Host?.Virtualisation, 'KVM');
    assert.match(String(lines[0]?.fields.err), /cannot write .*inventory\.json/);
    await mkdir(folder);
    assert.equal(await isChangedBy(survey), false, 'the same facts');
    const later = await open(folder);
    assert.equal(later.survey.info().Host?.Virtualisation, 'KVM', 'it was saved as soon as that worked');
  });

  test('that is being taken at a stop ends without a log line', async () => {
    const { survey, lines } = await open(await newFolder(), program('setInterval(() => {}, 1000)'));
    const before = survey.infoChanges;
    const taking = survey.takeInventory();
    await survey.close();
    await taking;
    assert.equal(survey.infoChanges, before);
    assert.deepEqual(lines, []);
  });
});
