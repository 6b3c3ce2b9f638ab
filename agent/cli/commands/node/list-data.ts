// Makes the formats of `node list` that scripts read, node by node: JSON, YAML, CSV and bare ids.
import { type CsvCell, csvLine } from '../../../output/csv.ts';
import { jsonText, yamlText } from '../../../output/data.ts';
import { hostOf } from '../../../output/node-columns.ts';
import { type NoteFacts, noteOf } from '../../../output/node-note.ts';
import { type ListedNode, statusOf } from '../../../protocol/listed-node.ts';
import { zeroTime } from '../../../protocol/node-info.ts';
import { versionOf } from './wide-columns.ts';

type Nodes = AsyncIterable<ListedNode>;
export type DataFormat = 'json' | 'yaml' | 'csv' | 'name';

export interface DataLook {
  hasHeader: boolean;
  facts: NoteFacts;
}

/** Yields the text of the list in `format`, a piece for each node. */
export function listData(format: DataFormat, nodes: Nodes, look: DataLook): AsyncGenerator<string> {
  switch (format) {
    case 'json':
      return jsonList(nodes);
    case 'yaml':
      return yamlList(nodes);
    case 'csv':
      return csvList(nodes, look);
    case 'name':
      return names(nodes);
  }
}

async function* jsonList(nodes: Nodes): AsyncGenerator<string> {
  let isFirst = true;
  for await (const node of nodes) {
    const text = jsonText(node).trimEnd().replaceAll('\n', '\n  ');
    yield `${isFirst ? '[' : ','}\n  ${text}`;
    isFirst = false;
  }
  yield isFirst ? '[]\n' : '\n]\n';
}

async function* yamlList(nodes: Nodes): AsyncGenerator<string> {
  let isEmpty = true;
  for await (const node of nodes) {
    isEmpty = false;
    yield await yamlText([node]);
  }
  if (isEmpty) yield '[]\n';
}

async function* names(nodes: Nodes): AsyncGenerator<string> {
  for await (const { Info } of nodes) yield `${Info.NodeID}\n`;
}

type DataColumn = readonly [title: string, cell: (node: ListedNode, facts: NoteFacts) => CsvCell];

/** The columns of the CSV. Sizes are in bytes. Later versions may add columns at the end. */
const csvColumns: readonly DataColumn[] = [
  ['id', ({ Info }) => Info.NodeID],
  ['type', ({ Info }) => Info.NodeType],
  ['approval', ({ Membership }) => Membership],
  ['status', statusOf],
  ['schedulable', ({ Muster }) => Muster?.Schedulable?.toString()],
  ['host', hostOf],
  ['address', ({ Info }) => Info.Address?.IP],
  ['note', noteOf],
  ['last_seen', ({ ConnectionState }) => timeOf(ConnectionState?.LastHeartbeat)],
  ['registered_at', ({ Muster }) => timeOf(Muster?.RegisteredAt)],
  ['cpu', ({ Info }) => Info.ComputeNodeInfo.MaxCapacity.CPU],
  ['memory_bytes', ({ Info }) => Info.ComputeNodeInfo.MaxCapacity.Memory],
  ['disk_bytes', ({ Info }) => Info.ComputeNodeInfo.MaxCapacity.Disk],
  ['gpu', ({ Info }) => Info.ComputeNodeInfo.MaxCapacity.GPU],
  ['version', versionOf],
  ['fingerprint', ({ Muster }) => Muster?.Fingerprint],
  ['conditions', ({ Info }) => Info.Conditions?.map(({ Type }) => Type).join(' ')],
  ['labels', ({ Info }) => labelText(Info.Labels ?? {})],
];

async function* csvList(nodes: Nodes, { hasHeader, facts }: DataLook): AsyncGenerator<string> {
  if (hasHeader) yield csvLine(csvColumns.map(([title]) => title));
  for await (const node of nodes) yield csvLine(csvColumns.map(([, cell]) => cell(node, facts)));
}

const timeOf = (time: string | undefined): string | undefined => (time === zeroTime ? undefined : time);

const labelText = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(' ');
