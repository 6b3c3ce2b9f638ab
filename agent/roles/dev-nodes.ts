// Names the nodes of `muster dev`, and says with which flags each of its processes starts.
import { join } from 'node:path';
import type { LoadedSettings } from '../config/load.ts';

export interface DevNode {
  id: string;
  /** The data folder of the process. */
  folder: string;
}

/** Returns the requesters: `node-0`, then `requester-2` and so on. The agents have the names from `node-1` on. */
export const requesterNodes = (count: number, folder: string): [DevNode, ...DevNode[]] => [
  nodeIn(folder, 'node-0'),
  ...Array.from({ length: count - 1 }, (_, index) => nodeIn(folder, `requester-${index + 2}`)),
];

/** Returns the agents: `node-1` and so on. */
export const agentNodes = (count: number, folder: string): DevNode[] =>
  Array.from({ length: count }, (_, index) => nodeIn(folder, `node-${index + 1}`));

/** Matches the folders of these nodes. */
export const nodeFolderPattern = /^(node|requester)-\d+$/;

const nodeIn = (folder: string, id: string): DevNode => ({ id, folder: join(folder, id) });

export const nodeFlags = ({ id, folder }: DevNode): string[] => [...folderFlags({ folder }), '--node-id', id];

export const folderFlags = ({ folder }: Pick<DevNode, 'folder'>): string[] => ['--data-dir', folder];

export const configFlags = (configFile: string | undefined): string[] =>
  configFile === undefined ? [] : ['--config', configFile];

/** Returns the flag with the port of the API of a requester, counted from 0. */
export const apiFlags = ({ api }: LoadedSettings['settings'], index: number): string[] => [
  '--api-port',
  String(api.port === 0 ? 0 : api.port + index),
];

export const brokerPortFlags = ({ broker }: LoadedSettings['settings']): string[] => [
  '--broker-port',
  String(broker.port),
];

/** Returns the flags by which a process finds the broker and trusts its CA. */
export const clientFlags = (broker: string, caFile: string | undefined): string[] => [
  '--nats-servers',
  broker,
  ...(caFile === undefined ? [] : ['--nats-tls-ca-file', caFile, '--nats-tls-handshake-first']),
];
