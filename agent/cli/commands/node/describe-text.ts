// Describes a node for people: sections with aligned names and readable units. Rows without a value are left out.
import type { ShownNode } from '../../../api/answers.ts';
import { type Row, type Section, sectionsText } from '../../../output/sections.ts';
import { durationText, sizeText, timeText } from '../../../output/units.ts';
import { statusOf } from '../../../protocol/listed-node.ts';
import type { GpuUsage } from '../../../protocol/messages.ts';
import { zeroTime } from '../../../protocol/node-info.ts';
import type { Gpu, Resources } from '../../../protocol/resources.ts';
import { operatorText } from '../actor.ts';
import { cordonText, drainText } from './cordon-text.ts';
import { formerRows } from './former-text.ts';

/** Width of the text, in columns. Longer values are broken between words. */
const columns = 80;

/** Returns the text. `now` is the present time, for texts such as "5 min ago". */
export function describeText(node: ShownNode, now: Date): string {
  const { Info } = node;
  const sections: Section[] = [
    { title: Info.NodeID, rows: nodeRows(node, now) },
    { title: 'conditions', rows: conditionRows(node, now) },
    { title: 'machine', rows: machineRows(node) },
    { title: 'capacity', rows: capacityRows(node) },
    { title: 'in use', rows: usageRows(node, now) },
    { title: 'GPUs', rows: gpuRows(node) },
    { title: 'executions', rows: executionRows(node) },
  ];
  // Names of labels may be long, so they do not change the width of the column in the other sections.
  const labels = { title: 'labels', rows: Object.entries(Info.Labels ?? {}).sort() };
  return [sectionsText(sections, columns), sectionsText([labels], columns)].filter(Boolean).join('\n');
}

/** Returns a row, or no rows when there is no value. */
function row(label: string, value: string | undefined): Row[] {
  return value ? [[label, value]] : [];
}

function nodeRows(node: ShownNode, now: Date): Row[] {
  const { Info, Membership, ConnectionState, Muster } = node;
  const connected = ConnectionState?.Status === 'CONNECTED';
  const since = connected ? ConnectionState?.ConnectedSince : ConnectionState?.DisconnectedSince;
  return [
    ...row('type', Info.NodeType),
    ...row('approval', Membership === 'PENDING' ? pendingText(Info.NodeID) : Membership),
    ...decisionRows(node, now),
    ...formerRows(node, now),
    ...row('cordoned', cordonText(node, now)),
    ...row('why', Muster?.Cordon?.Reason),
    ...row('drain', drainText(node, now)),
    ['status', statusText(node, now)],
    ...row('fingerprint', fingerprintText(node)),
    ...row('conflict', conflictText(node, now)),
    ...row(connected ? 'connected' : 'disconnected', optionalTime(since, now)),
    ...row('last error', ConnectionState?.LastError),
    ...row('registered', optionalTime(Muster?.RegisteredAt, now)),
    ...row('join code', Muster?.JoinCode),
    ...row('version', versionText(node)),
  ];
}

const pendingText = (id: string): string => `PENDING; to let it take part: muster node approve ${id}`;

const participles: Readonly<Record<string, string>> = { approve: 'approved', reject: 'rejected' };

function decisionRows({ Muster }: ShownNode, now: Date): Row[] {
  const { Decision } = Muster ?? {};
  if (!Decision) return [];
  const { Action, Actor, ClaimedActor, At, Reason } = Decision;
  const who = Actor ? ` by ${operatorText(Actor, ClaimedActor)}` : '';
  const by = `${participles[Action] ?? Action}${who}`;
  return [
    ...row('decision', [by, optionalTime(At, now)].filter(Boolean).join(', ')),
    ...row('reason', Reason),
  ];
}

function fingerprintText({ Info, Muster }: ShownNode): string | undefined {
  if (Info.NodeType === 'Requester' || !Muster) return undefined;
  return Muster.Fingerprint ?? 'unverified: the requester checks no key of this node';
}

function conflictText({ Info, Muster }: ShownNode, now: Date): string | undefined {
  if (!Muster?.Conflict) return undefined;
  const { At, Agents } = Muster.Conflict;
  const [holder, refused] = Agents;
  if (holder && refused?.Fingerprint) {
    const noticed = `last noticed ${timeText(At, now)}`;
    if (refused.Use === 'work')
      return `two programs want to work with this key: one is ${placeText(holder)}, the other ${placeText(refused)}; ${noticed}. Stop one of them. If one is not yours, somebody has the key; replace it on the node: muster agent rotate-key`;
    if (holder.Fingerprint === refused.Fingerprint)
      return `two agents use this key: one is ${placeText(holder)}, the other ${placeText(refused)}; ${noticed}. Stop one of them, or make the copy a node of its own, on its machine: muster agent reset-identity`;
    const known = holder.Fingerprint
      ? `it has ${holder.Fingerprint}, ${placeText(holder)}`
      : 'it has no key yet';
    return `the key ${refused.Fingerprint}, ${placeText(refused)}, wants to be this node; ${known}; ${noticed}. If that machine was reinstalled: muster node rekey ${Info.NodeID} --fingerprint ${refused.Fingerprint}`;
  }
  const hosts = [...new Set(Agents.map(({ Host }) => Host).filter(Boolean))];
  const where = hosts.length > 0 ? `, on ${hosts.join(' and ')}` : '';
  return `two agents use this id${where}; last noticed ${timeText(At, now)}. Stop one of them, or give it another id: node.id`;
}

/** Returns where an agent runs, such as `on host-1 (10.0.0.7)`. */
function placeText({ Host, Address }: { Host: string; Address: string }): string {
  if (Host && Address && Host !== Address) return `on ${Host} (${Address})`;
  return Host || Address ? `on ${Host || Address}` : 'on an unknown host';
}

function statusText(node: ShownNode, now: Date): string {
  const { Info, ConnectionState, Muster } = node;
  const status = statusOf(node);
  if (Info.NodeType === 'Requester') return `${status}; a requester sends no heartbeats`;
  if (Muster?.Silence !== undefined) return `${status}, last heard ${durationText(Muster.Silence)} ago`;
  const last = optionalTime(ConnectionState?.LastHeartbeat, now);
  if (last) return `${status}, last heard ${last}`;
  return Muster ? `${status}, never heard` : status;
}

function versionText({ Info }: ShownNode): string | undefined {
  const { Agent, BacalhauVersion } = Info;
  if (Agent?.Version) return `muster ${Agent.Version}`;
  return BacalhauVersion.GitVersion ? `Bacalhau ${BacalhauVersion.GitVersion}` : undefined;
}

/** Returns the time; undefined for Go's zero time, which means "no time". */
function optionalTime(time: string | undefined, now: Date): string | undefined {
  return time === undefined || time === zeroTime ? undefined : timeText(time, now);
}

function conditionRows({ Info }: ShownNode, now: Date): Row[] {
  return (Info.Conditions ?? []).flatMap(({ Type, Reason, Since }): Row[] => [
    [Type, Reason],
    ...row('', optionalTime(Since, now) && `since ${optionalTime(Since, now)}`),
  ]);
}

function machineRows({ Info }: ShownNode): Row[] {
  const { Hostname, Address, BacalhauVersion, Host } = Info;
  const { GOOS, GOARCH } = BacalhauVersion;
  const cpus = Host?.CPUs ? `${Host.CPUs} logical ${Host.CPUs === 1 ? 'CPU' : 'CPUs'}` : '';
  return [
    ...row('hostname', Hostname),
    ...row('address', Address && [Address.IP, Address.Why && `(${Address.Why})`].filter(Boolean).join(' ')),
    ...row('system', Host?.OS),
    ...row('platform', GOOS && `${GOOS}/${GOARCH}`),
    ...row('kernel', Host?.Kernel),
    ...row('virtualisation', Host?.Virtualisation),
    ...row('processor', [Host?.CPUModel, cpus].filter(Boolean).join(', ')),
    ...row('memory', Host?.Memory ? sizeText(Host.Memory) : undefined),
    ...row('disk', Host?.Disk ? sizeText(Host.Disk) : undefined),
    ...row('GPU driver', Host?.GPUDriver),
  ];
}

const quantities = [
  ['CPU', 'CPU', cores],
  ['memory', 'Memory', sizeText],
  ['disk', 'Disk', sizeText],
  ['GPU', 'GPU', String],
] as const;

/** Returns what the node offers, and how much of it is available. For a silent node the available part is unknown. */
function capacityRows({ Info, Connection }: ShownNode): Row[] {
  const { MaxCapacity, AvailableCapacity, QueueCapacity, MaxJobRequirements } = Info.ComputeNodeInfo;
  const rows = quantities.flatMap(([label, name, format]): Row[] => {
    const offered = MaxCapacity[name];
    if (!offered) return [];
    if (Connection !== 'CONNECTED') return [[label, format(offered)]];
    return [[label, `${format(AvailableCapacity[name] ?? 0)} of ${format(offered)} available`]];
  });
  const limit = resourcesText(MaxJobRequirements);
  return [
    ...rows,
    ...row('queued', resourcesText(QueueCapacity)),
    ...row('for one job', limit === resourcesText(MaxCapacity) ? undefined : limit),
  ];
}

function resourcesText(resources: Resources): string {
  return quantities
    .flatMap(([label, name, format]) => (resources[name] ? `${label} ${format(resources[name])}` : []))
    .join(', ');
}

function cores(amount: number): string {
  return String(Math.round(amount * 100) / 100);
}

function usageRows({ Muster }: ShownNode, now: Date): Row[] {
  const { Usage, ResourcesAt } = Muster ?? {};
  if (!Usage) return [];
  return [
    ['CPU', `${cores(Usage.CPU)} CPUs busy`],
    ['memory', sizeText(Usage.Memory)],
    ['disk', sizeText(Usage.Disk)],
    ['load', cores(Usage.Load)],
    ...row('measured', optionalTime(ResourcesAt, now)),
  ];
}

function gpuRows({ Info, Muster }: ShownNode): Row[] {
  const usages = Muster?.Usage?.GPUs ?? [];
  return (Info.ComputeNodeInfo.MaxCapacity.GPUs ?? []).flatMap((gpu): Row[] => {
    const usage = usages.find(
      ({ Index, PCIAddress }) => Index === gpu.Index && PCIAddress === gpu.PCIAddress,
    );
    return [[`GPU ${gpu.Index}`, gpuText(gpu)], ...row('', usage && gpuUsageText(usage))];
  });
}

function gpuText({ Vendor, Name, Memory, PCIAddress }: Gpu): string {
  const name = Name.toLowerCase().startsWith(Vendor.toLowerCase()) ? Name : `${Vendor} ${Name}`;
  return [name, Memory ? gibibytes(Memory) : '', PCIAddress ? `at ${PCIAddress}` : '']
    .filter(Boolean)
    .join(', ');
}

function gpuUsageText({ Memory, Utilisation, Temperature, Power }: GpuUsage): string {
  const parts = [
    Utilisation === undefined ? '' : `${Math.round(Utilisation)} % busy`,
    Memory === undefined ? '' : `${gibibytes(Memory)} in use`,
    Temperature === undefined ? '' : `${Math.round(Temperature)} °C`,
    Power === undefined ? '' : `${Math.round(Power)} W`,
  ];
  return parts.filter(Boolean).join(', ');
}

/** Returns mebibytes as GiB, the unit in which GPUs are sold. */
const gibibytes = (mebibytes: number): string => `${(mebibytes / 1024).toFixed(1)} GiB`;

/** Returns the rows that only nodes of Bacalhau have: what they can execute, and what they execute now. */
function executionRows({ Info }: ShownNode): Row[] {
  const { ExecutionEngines, Publishers, StorageSources, RunningExecutions, EnqueuedExecutions, address } =
    Info.ComputeNodeInfo;
  return [
    ...row('engines', ExecutionEngines?.join(', ')),
    ...row('publishers', Publishers?.join(', ')),
    ...row('sources', StorageSources?.join(', ')),
    ...row('running', RunningExecutions ? String(RunningExecutions) : undefined),
    ...row('waiting', EnqueuedExecutions ? String(EnqueuedExecutions) : undefined),
    ...row('address', address),
  ];
}
