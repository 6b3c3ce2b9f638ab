// The decoders of files: the state of both roles, the configuration, certificates and credentials. Each input is a real file.
import assert from 'node:assert/strict';
import { hash, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { makeAuthority, makePrivateKey } from '../../agent/broker/tls/certificate.ts';
import { readOwnCertificate } from '../../agent/broker/tls/own-certificate.ts';
import { inspectClusterFile } from '../../agent/compute/registration/cluster-file.ts';
import { readLearnedBrokers } from '../../agent/compute/registration/learned-brokers.ts';
import { inspectSentinel } from '../../agent/compute/registration/sentinel.ts';
import { readBacalhau } from '../../agent/config/bacalhau/read-keys.ts';
import { resolveSettings } from '../../agent/config/load.ts';
import { readEnvironment } from '../../agent/config/sources.ts';
import { readYaml } from '../../agent/config/yaml.ts';
import { loadGpus } from '../../agent/host/gpu/saved-gpus.ts';
import { InventoryError, loadInventory } from '../../agent/host/inventory/inventory.ts';
import { parseRecording } from '../../agent/host/recording/recording.ts';
import { encodeSeed, type KeyKind } from '../../agent/protocol/nkey.ts';
import { readSharedKeys, type SharedKeys, writeSharedKeys } from '../../agent/protocol/shared-keys.ts';
import { readRotation } from '../../agent/requester/authorities/rotation-file.ts';
import { backedUpStreams } from '../../agent/requester/backup/backup-contents.ts';
import {
  type BackupList,
  firstLine,
  readList,
  writeListAndLength,
} from '../../agent/requester/backup/backup-format.ts';
import { Backup } from '../../agent/requester/backup/backup-reader.ts';
import { StoreMark } from '../../agent/requester/ledger/store-mark.ts';
import { finishExchange } from '../../agent/roles/exchange-folders.ts';
import { addSeal, readSeal } from '../../agent/service/seal.ts';
import { silentLog } from '../../agent/system/log.ts';
import { readNodeId } from '../../agent/system/node-id.ts';
import { readCredentials } from '../../agent/transport/credentials.ts';
import { ConnectFailure } from '../../agent/transport/failure.ts';
import { parseKeyPair } from '../../agent/transport/key-pair.ts';
import { findPinned, namesOf, whyNotValidAt } from '../../agent/transport/peer-certificate.ts';
import { readTls } from '../../agent/transport/tls.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { nodeIds, nodeInfos, times } from '../support/messages.ts';
import { type Decoder, isMusterError, isProtocolError } from './decoder.ts';

/** The folder of the files; made when the first one is written. */
let folder: string | undefined;

function writeInput(name: string, content: Buffer | string): string {
  folder ??= mkdtempSync(join(tmpdir(), 'muster-fuzz-'));
  const path = join(folder, name);
  writeFileSync(path, content, { mode: 0o600 });
  return folder;
}

/** Removes the folder of the files. */
function removeFolder(): void {
  if (folder !== undefined) rmSync(folder, { recursive: true });
  folder = undefined;
}

const isConnectFailure = (error: unknown) => error instanceof ConnectFailure;
const plain = { noNullPrototype: true } as const;
const word = fc.string({ unit: fc.constantFrom(...'abcdef-'), minLength: 1, maxLength: 20 });
const texts = { what: "this node's key", hint: 'restore it' };

/** A certificate authority, in PEM. */
const ca = makeAuthority(makePrivateKey());

const seeds = (kind: KeyKind) =>
  fc.uint8Array({ minLength: 32, maxLength: 32 }).map(seed => encodeSeed(seed, kind));
const sharedKeys: fc.Arbitrary<SharedKeys> = fc.record(
  {
    issuer: seeds('account'),
    box: seeds('curve'),
    bacalhauToken: fc.constant('a-token-of-bacalhau'),
    servers: fc.array(
      word.map(host => `tls://${host}:4222`),
      { maxLength: 3 },
    ),
    ca: fc.constant(ca),
  },
  { ...plain, requiredKeys: ['issuer', 'box', 'servers'] },
);

const backupPartBytes = 3_000;
const sha256 = '0'.repeat(64);
const counts = fc.record({ messages: fc.nat(), last_seq: fc.nat() }, plain);
const backupLists: fc.Arbitrary<unknown> = fc.record(
  {
    muster: fc.constant('1.2.3'),
    cluster: nodeIds,
    requester: nodeIds,
    at: fc.constant('2026-01-01T00:00:00.000Z'),
    eventsUntil: fc.nat(),
    parts: fc.tuple(
      ...backedUpStreams.map(name =>
        fc.record(
          {
            kind: fc.constant('stream'),
            name: fc.constant(name),
            bytes: fc.constant(backupPartBytes / backedUpStreams.length),
            sha256: fc.constant(sha256),
            config: fc.constant({ name, num_replicas: 1 }),
            state: counts,
            messages: fc.nat(),
            lastSequence: fc.nat(),
          },
          plain,
        ),
      ),
    ),
  },
  plain,
);

/** Returns a backup with this list of parts, whose content is zeros, and with a right digest. */
function backupOf(list: Buffer): Buffer {
  const text = JSON.parse(list.toString('utf8'));
  for (const part of text.parts) part.sha256 = hash('sha256', Buffer.alloc(part.bytes));
  const end = Buffer.from(writeListAndLength(text));
  const content = Buffer.concat([Buffer.from(firstLine), Buffer.alloc(backupPartBytes), end]);
  return Buffer.concat([content, Buffer.from(`${hash('sha256', content)}\n`)]);
}

const configuration = `# the configuration of both roles
node:
  id: node-1
  labels: {zone: a, rack: "7"}
compute:
  heartbeatFrequency: 15s
  allocatedCapacity:
    cpu: 80%
    memory: 8GiB
requester:
  manualApproval: true
  nodeDisconnectedAfter: 45s
nats:
  servers:
    - tls://head:4222
    - nats://127.0.0.1:4222
broker:
  host: 0.0.0.0
  advertise: [broker.example.com]
log:
  level: info
`;

/** A file gets a part of the inputs, because each is written to the disk. */
const throughDisk = { share: 0.03, release: removeFolder } as const;

export const fileDecoders: readonly Decoder[] = [
  {
    what: 'a sentinel',
    covers: ['compute/registration/sentinel.ts inspectSentinel'],
    form: 'json',
    valid: fc.record(
      {
        version: fc.constant(1),
        node: fc.constant('node-1'),
        key: fc.constant('a-key'),
        cluster: word,
        requester: word,
        session: word,
        membership: fc.constantFrom('', 'PENDING', 'APPROVED'),
        registeredAt: times,
        approvedAt: times,
      },
      plain,
    ),
    ...throughDisk,
    isExpected: () => false,
    read: async input => {
      const reading = await inspectSentinel(writeInput('node-1.registration.json', input), 'node-1', 'a-key');
      return reading.kind === 'valid' ? reading.sentinel : undefined;
    },
  },
  {
    what: 'what a node knows of its cluster',
    covers: ['compute/registration/cluster-file.ts'],
    form: 'json',
    valid: fc.record(
      {
        version: fc.constant(1),
        cluster: word,
        servers: fc.array(word, { maxLength: 3 }),
        pins: fc.array(word, { maxLength: 3 }),
        cas: fc.constant([]),
        codeId: word,
        usedCode: word,
      },
      { ...plain, requiredKeys: ['version', 'cluster', 'servers', 'pins', 'cas'] },
    ),
    ...throughDisk,
    isExpected: isMusterError,
    read: input => inspectClusterFile(writeInput('cluster.json', input)),
  },
  {
    what: 'the addresses of brokers that a node learned',
    covers: ['compute/registration/learned-brokers.ts readLearnedBrokers'],
    form: 'json',
    valid: fc.record({
      version: fc.constant(1),
      told: fc.array(word, { maxLength: 3 }),
      learned: fc.array(
        fc.record({ address: fc.constantFrom('tls://b.example:4222', 'nats://[::1]:4222'), named: times }),
        { maxLength: 3 },
      ),
    }),
    ...throughDisk,
    isExpected: error => isMusterError(error) || isProtocolError(error),
    read: input => readLearnedBrokers(writeInput('brokers.json', input)),
  },
  {
    what: 'how far the store was',
    covers: ['requester/ledger/store-mark-file.ts'],
    form: 'json',
    valid: fc
      .nat()
      .map(revision => ({ version: 1, cluster: 'c', created: '2026-01-01T00:00:00Z', revision })),
    ...throughDisk,
    isExpected: isMusterError,
    read: async input => {
      const path = join(writeInput('store-mark.json', input), 'store-mark.json');
      return (await StoreMark.open({ path, clock: new FakeClock(), log: silentLog })) && true;
    },
  },
  {
    what: 'the list of the parts of a backup',
    covers: ['requester/backup/backup-format.ts'],
    form: 'json',
    valid: backupLists,
    read: input => readList(input as Buffer, backupPartBytes),
    check: value => {
      const { parts } = value as BackupList;
      assert.equal(
        parts.reduce((sum, { bytes }) => sum + bytes, 0),
        backupPartBytes,
      );
    },
  },
  {
    what: 'a backup',
    covers: ['requester/backup/backup-reader.ts'],
    form: 'bytes',
    valid: backupLists.map(list => backupOf(Buffer.from(JSON.stringify(list)))),
    // Each input is a file that is read twice.
    share: 0.01,
    release: removeFolder,
    isExpected: isMusterError,
    read: async input => {
      const path = join(writeInput('muster.backup', input), 'muster.backup');
      const backup = await Backup.open(path);
      for (const { name } of backup.streams()) await Array.fromAsync(backup.read(name));
      await backup.close();
      return true;
    },
  },
  {
    what: 'how far a restore came',
    covers: ['roles/exchange-folders.ts finishExchange'],
    form: 'json',
    valid: fc.record(
      {
        steps: fc.array(
          fc.record({ from: fc.constant('requester.restored'), to: fc.constant('requester') }, plain),
          { maxLength: 4 },
        ),
      },
      plain,
    ),
    share: 0.02,
    release: removeFolder,
    isExpected: isMusterError,
    read: async input => {
      await finishExchange(writeInput('restore.json', input));
      return true;
    },
  },
  {
    what: 'which CA follows',
    covers: ['requester/authorities/rotation-file.ts readRotation'],
    form: 'json',
    valid: fc.record(
      {
        version: fc.constant(1),
        next: fc.constant('A'.repeat(43)),
        by: word,
        at: times,
        confirmed: fc.array(nodeIds, { maxLength: 3 }),
        isReady: fc.boolean(),
        forcedBy: word,
      },
      { ...plain, requiredKeys: ['version', 'next', 'by', 'at', 'confirmed', 'isReady'] },
    ),
    // Its file may be long, and so takes longer to read.
    share: 0.005,
    release: removeFolder,
    isExpected: isMusterError,
    read: input => readRotation(writeInput('ca-rotation.json', input)),
  },
  {
    what: 'the file of a key',
    covers: ['transport/key-pair.ts parseKeyPair'],
    form: 'bytes',
    valid: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(seed => Buffer.from(`${encodeSeed(seed)}\n`)),
    share: 0.4,
    isExpected: isMusterError,
    read: input => parseKeyPair('/x/identity.nk', input as Buffer, 'node', texts),
  },
  {
    what: 'the keys that one requester hands to another',
    covers: ['protocol/shared-keys.ts readSharedKeys'],
    form: 'json',
    valid: sharedKeys.map(keys => JSON.parse(writeSharedKeys(keys))),
    share: 0.2,
    isExpected: isProtocolError,
    read: input => readSharedKeys(input as Buffer),
    check: value => assert.match((value as SharedKeys).issuer, /^SA[A-Z2-7]{56}$/),
  },
  {
    what: 'the file with the id of a node',
    covers: ['system/node-id.ts readNodeId'],
    form: 'text',
    valid: nodeIds.map(id => `# the id of this node\nid: ${id}\n`),
    ...throughDisk,
    isExpected: isMusterError,
    read: input => readNodeId(writeInput('node.yaml', input)),
    check: value => assert.match(String(value), /^[A-Za-z0-9_-]{1,128}$/),
  },
  {
    what: 'the inventory',
    covers: ['host/inventory/inventory.ts loadInventory'],
    form: 'json',
    valid: fc.record(
      {
        takenAt: fc.constant('2026-01-01T00:00:00.000Z'),
        cpu: fc.constant({ manufacturer: 'AMD', brand: 'EPYC', speed: 2.4, physicalCores: 8 }),
        memory: fc.maxSafeNat(),
        disk: fc.maxSafeNat(),
        os: fc.constant({ distro: 'Debian', release: '12', kernel: '6.1' }),
        virtualisation: word,
        graphics: fc.constant([{ vendor: 'Apple', model: 'M3', memory: 1, cores: 10 }]),
      },
      plain,
    ),
    ...throughDisk,
    isExpected: error => error instanceof InventoryError,
    read: input => loadInventory(writeInput('inventory.json', input)),
  },
  {
    what: 'the GPUs of the last scan',
    covers: ['host/gpu/saved-gpus.ts loadGpus'],
    form: 'json',
    valid: nodeInfos.map(({ ComputeNodeInfo }) => ({ found: ComputeNodeInfo.MaxCapacity, driver: '550.54' })),
    ...throughDisk,
    isExpected: error => isProtocolError(error) || isMusterError(error),
    read: input => loadGpus(writeInput('gpus.json', input)),
  },
  {
    what: 'a recorded machine',
    covers: ['host/recording/recording.ts parseRecording'],
    form: 'text',
    valid: fc.constant(
      'recordedAt: 2026-01-01T00:00:00.000Z\nsystem:\n  platform: linux\n  arch: x64\n  hostname: a\n  release: "6"\n  cpus: 2\n  cpuModel: AMD\n  usableCpus: 2\n  memory: 8\nanswers:\n  file /a: |-\n    text\nfaults: {}\ntook: {}\n',
    ),
    share: 0.05,
    isExpected: isMusterError,
    read: input => parseRecording(String(input), '/x/machine.yaml'),
  },
  {
    what: 'a configuration file',
    covers: [
      'config/yaml.ts readYaml',
      'config/yaml-document.ts readDocument',
      'config/load.ts resolveSettings',
    ],
    form: 'text',
    valid: fc.constant(configuration),
    share: 0.05,
    isExpected: () => false,
    read: input => {
      const file = readYaml(String(input), '/etc/muster/config.yaml');
      const resolved = resolveSettings([file], '/home/ada');
      for (const fault of [...file.faults, ...resolved.faults]) {
        assert.match(fault, /^\/etc\/muster\/config\.yaml:\d+: |^file \/etc\/muster\/config\.yaml:\d+/);
        assert.doesNotMatch(fault, /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u);
      }
      return file.faults.length + resolved.faults.length === 0 ? resolved.settings : undefined;
    },
  },
  {
    what: 'the environment',
    covers: ['config/sources.ts readEnvironment'],
    form: 'text',
    valid: fc.constantFrom(
      'MUSTER_NODE_ID=node-1',
      'MUSTER_NATS_SERVERS=tls://a:4222,tls://b:4222',
      'MUSTER_COMPUTE_HEARTBEAT_FREQUENCY=15s',
      'MUSTER_NODE_LABELS=zone=a,rack=7',
      'MUSTER_COMPUTE_ALLOCATED_CAPACITY_MEMORY=8GiB',
    ),
    share: 0.4,
    isExpected: () => false,
    read: input => {
      const [, name = '', value = ''] = /^([^=]*)=?(.*)$/s.exec(String(input)) ?? [];
      const { entries, faults } = readEnvironment({ [name]: value });
      const resolved = resolveSettings([{ entries, faults }], '/home/ada');
      for (const fault of resolved.faults) assert.doesNotMatch(fault, /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u);
      return faults.length + resolved.faults.length === 0 ? resolved.settings : undefined;
    },
  },
  {
    what: "Bacalhau's configuration file",
    covers: ['config/bacalhau/read-keys.ts readBacalhau'],
    form: 'text',
    valid: fc.constant(
      'NameProvider: uuid\nDataDir: /x\nCompute:\n  Enabled: true\n  Orchestrators: ["nats://a:4222"]\n  AllocatedCapacity: {CPU: 80%}\nOrchestrator:\n  NodeManager: {DisconnectTimeout: 1m}\n',
    ),
    share: 0.05,
    isExpected: () => false,
    read: input => readBacalhau(String(input), '/x/config.yaml'),
  },
  {
    what: 'the seal of a service file',
    covers: ['service/seal.ts readSeal'],
    form: 'text',
    valid: fc.constantFrom(
      addSeal('[Unit]\nDescription=x\n'),
      addSeal('<?xml version="1.0"?>\n<!DOCTYPE plist>\n<plist/>\n'),
    ),
    isExpected: () => false,
    read: input => (readSeal(String(input)) === 'none' ? undefined : true),
  },
  {
    what: 'the files for TLS with a broker',
    covers: ['transport/tls.ts readTls'],
    form: 'bytes',
    valid: fc.constant(Buffer.from(ca)),
    share: 0.01,
    release: removeFolder,
    isExpected: isConnectFailure,
    read: input => readTls({ caFile: join(writeInput('ca.pem', input), 'ca.pem') }),
  },
  {
    what: "an operator's own certificate",
    covers: ['broker/tls/own-certificate.ts readOwnCertificate'],
    form: 'bytes',
    valid: fc.constant(Buffer.from(ca)),
    ...throughDisk,
    isExpected: isMusterError,
    read: input => readOwnCertificate({ certFile: join(writeInput('cert.pem', input), 'cert.pem') }),
  },
  {
    what: 'the structure of a certificate in PEM',
    covers: ['broker/tls/own-certificate.ts readOwnCertificate', 'transport/peer-certificate.ts findPinned'],
    form: 'bytes',
    valid: fc.constant(new X509Certificate(ca).raw),
    wrap: content =>
      Buffer.from(`-----BEGIN CERTIFICATE-----\n${content.toString('base64')}\n-----END CERTIFICATE-----\n`),
    ...throughDisk,
    isExpected: isMusterError,
    read: async input => {
      const own = await readOwnCertificate({ certFile: join(writeInput('cert.pem', input), 'cert.pem') });
      namesOf(own.chain[0]);
      whyNotValidAt(own.chain[0], new Date());
      // A broker may show a node such a certificate before anything is known of the broker.
      findPinned({ chain: own.chain, fault: 'x' }, ['A'.repeat(43)]);
      return own;
    },
  },
  {
    what: 'a file with credentials of NATS',
    covers: ['transport/credentials.ts readCredentials'],
    form: 'text',
    valid: fc.constant(
      `-----BEGIN NATS USER JWT-----\neyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.e30.AAAA\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${encodeSeed(new Uint8Array(32).fill(1), 'user')}\n------END USER NKEY SEED------\n`,
    ),
    share: 0.003,
    release: removeFolder,
    isExpected: isConnectFailure,
    read: input => readCredentials({ credsFile: join(writeInput('user.creds', input), 'user.creds') }),
  },
];
