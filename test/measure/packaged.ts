// Measures the packaged file: its size, the time to print its version and to register an agent, and the memory of both roles.
import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';
import type { Role } from '../../agent/config/role.ts';
import { nodeBucket } from '../../agent/requester/roll/store.ts';
import { giveBackPausesMs } from '../../agent/roles/give-back-memory.ts';
import { build } from '../../scripts/packaging/build.ts';
import { ownTarget } from '../../scripts/packaging/target.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/listener.ts';
import type { NatsServer } from '../support/nats-server.ts';
import { openConnection } from '../support/open-connection.ts';
import { Program } from '../support/program.ts';
import { bareNodeMs, memoryOf } from './processes.ts';
import { RequesterProcess, startBroker } from './roles.ts';
import type { Starts } from './starts.ts';
import { median } from './statistics.ts';
import type { Figure } from './table.ts';
import { Worker } from './worker.ts';
import { newFolder } from './workplace.ts';

const startCount = 21;
/** By then a role has collected all its facts, sent each report, and given back what its start needed. In milliseconds. */
const settlingMs = giveBackPausesMs.first + 10_000;

/** Packages this checkout, and measures the result. */
export async function packagedFile(): Promise<Figure[]> {
  const target = ownTarget();
  if (!target) throw new Error(`muster is not packaged for ${process.platform}-${process.arch}`);
  const { file, sizeBytes, contents } = await build({ target, root: await newFolder() });
  const broker = await startBroker();
  const requester = await RequesterProcess.start(broker);
  await requester.ready();
  try {
    const probe = 'missing' in contents.probe ? 'without the native probe' : 'with the native probe';
    return [
      ...(await sizes(file, sizeBytes)),
      await toVersion(file),
      await toRegistered(file, broker, probe),
      ...(await steady(file, broker, probe)),
    ];
  } finally {
    await requester.program.stop();
    await broker.release();
  }
}

async function sizes(file: string, sizeBytes: number): Promise<Figure[]> {
  const params = { [constants.ZSTD_c_compressionLevel]: 19 };
  const compressed = await promisify(zstdCompress)(await readFile(file), { params });
  return [
    { what: 'packaged: file', measured: sizeBytes, unit: 'bytes', budget: { atMost: 130e6 } },
    {
      what: 'packaged: file, compressed',
      measured: compressed.length,
      unit: 'bytes',
      budget: { atMost: 30e6 },
      beside: 'zstd -19',
    },
  ];
}

async function toVersion(file: string): Promise<Figure> {
  const worker = new Worker<Starts>(new URL('./starts.ts', import.meta.url), file);
  const { versionMs, nodeMs, runs } = await worker.next();
  await worker.end();
  return {
    what: 'packaged: muster version',
    measured: versionMs / nodeMs,
    unit: 'times',
    budget: { atMost: 1.2 },
    beside: `Node alone: ${versionMs.toFixed(0)} of ${nodeMs.toFixed(0)} ms; median of ${runs}`,
  };
}

async function toRegistered(file: string, broker: NatsServer, probe: string): Promise<Figure> {
  const connection = await openConnection(broker.url, 'bench');
  const bucket = await (await connection.storage()).bucket(nodeBucket);
  let stored: (id: string) => void = () => undefined;
  const watch = await bucket.watch(entry => stored(entry.key));
  await watch.ready;
  const times: number[] = [];
  const ofBareNode: number[] = [];
  for (let number = 1; number <= startCount; number++) {
    ofBareNode.push(await bareNodeMs());
    const id = `packaged-${number}`;
    const registered = new Promise<void>(resolve => {
      stored = key => {
        if (key === id) resolve();
      };
    });
    const command = await agentCommand(id, broker);
    const began = performance.now();
    const agent = new Program(command, { program: [file] });
    await registered;
    times.push(performance.now() - began);
    await agent.stop();
  }
  await connection.close();
  return {
    what: 'packaged: exec to registered, loopback',
    measured: median(times) / median(ofBareNode),
    unit: 'times',
    budget: { atMost: 3.5 },
    beside: `Node alone: ${median(times).toFixed(0)} of ${median(ofBareNode).toFixed(0)} ms; ${probe}; median of ${startCount}`,
  };
}

async function steady(file: string, broker: NatsServer, probe: string): Promise<Figure[]> {
  const folder = await newFolder();
  const agent = new Program(await agentCommand('packaged-0', broker, folder), { program: [file] });
  const requester = new Program(await requesterCommand(), { program: [file] });
  await agent.untilPrinted(/pending approval/);
  await requester.untilPrinted(/the requester is ready/);
  await eventually('the inventory is taken', () =>
    access(join(folder, 'agent/inventory.json')).then(
      () => true,
      () => false,
    ),
  );
  await pause(settlingMs);
  const { anonymousBytes, residentBytes } = memoryOf(agent.pid);
  const ofRequester = memoryOf(requester.pid);
  await Promise.all([agent.stop(), requester.stop()]);
  const beside = `${probe}, after ${settlingMs / 1000} s`;
  return [
    {
      what: 'packaged: agent, anonymous memory, steady',
      measured: anonymousBytes,
      unit: 'bytes',
      budget: { atMost: 20e6 },
      beside,
    },
    {
      what: 'packaged: agent, resident memory, steady',
      measured: residentBytes,
      unit: 'bytes',
      budget: { atMost: 75e6 },
      beside: `${beside}; pages of the file are part of it, and more of them right after it was written`,
    },
    {
      what: 'packaged: requester, anonymous memory, steady',
      measured: ofRequester.anonymousBytes,
      unit: 'bytes',
      budget: { atMost: 40e6 },
      beside: `${beside}; without nodes; its broker is another process`,
    },
  ];
}

/** A requester with a broker of its own. */
async function requesterCommand(): Promise<string[]> {
  const [apiPort, brokerPort] = [await freePort(), await freePort()];
  const ports = { api: { port: apiPort }, broker: { port: brokerPort } };
  return await commandOf('requester', { node: { id: 'packaged' }, ...ports }, await newFolder());
}

async function agentCommand(id: string, broker: NatsServer, folder?: string): Promise<string[]> {
  const settings = { node: { id }, nats: { servers: [broker.url] } };
  return await commandOf('agent', settings, folder ?? (await newFolder()));
}

async function commandOf(role: Role, settings: object, dataDir: string): Promise<string[]> {
  const path = join(dataDir, `${role}.yaml`);
  // JSON is YAML.
  await writeFile(path, JSON.stringify({ ...settings, dataDir, log: { format: 'json' } }));
  return [role, '--config', path];
}
