// Lists the approved nodes for Prometheus' HTTP discovery (http_sd), each by its address.
import { isIPv6 } from 'node:net';
import { systemClock } from '../../system/clock.ts';
import type { NodeView } from '../directory/node-view.ts';
import { type SeenNode, viewOf } from '../directory/seen-node.ts';
import { queryNodes } from './node-query.ts';
import { RequestFault } from './problem.ts';

/** One node in the answer, as Prometheus reads it. */
export interface PrometheusTarget {
  targets: [string];
  labels: Record<string, string>;
}

/** Number of labels of a node that are told. */
const mostLabels = 64;
/** Longest label that is told, in characters. */
const mostCharacters = 256;

/**
 * Returns the approved compute nodes that have an address and match the other parameters, which are those of the list of
 * nodes. `port` is their port; with `port-label` a node that has this label names its own. A node without either is left out.
 * @throws RequestFault 400
 */
export async function prometheusTargets(
  nodes: Iterable<SeenNode>,
  parameters: URLSearchParams,
): Promise<PrometheusTarget[]> {
  const port = parameters.get('port');
  const portLabel = parameters.get('port-label');
  if (port === null && portLabel === null)
    throw new RequestFault(
      400,
      'port is missing: which port of the nodes should be asked, such as ?port=9100',
    );
  if (port !== null && !isPort(port)) throw new RequestFault(400, 'port is not a number from 1 to 65535');
  const portOf = ({ Info }: NodeView): string | undefined => {
    const own = portLabel === null ? undefined : ownLabel(Info.Labels ?? {}, portLabel);
    return own !== undefined && isPort(own) ? own : (port ?? undefined);
  };
  const approved = [...nodes].filter(
    ({ state }) => state.Info.NodeType === 'Compute' && state.Membership === 'APPROVED',
  );
  const chosen = await queryNodes(approved, parameters, systemClock.now());
  return chosen.map(viewOf).flatMap(view => {
    const found = portOf(view);
    const ip = view.Info.Address?.IP;
    if (found === undefined || ip === undefined) return [];
    return [{ targets: [`${isIPv6(ip) ? `[${ip}]` : ip}:${found}`], labels: metaLabels(view) }];
  });
}

function metaLabels({ Info, Muster }: NodeView): Record<string, string> {
  const labels = Object.entries(Info.Labels ?? {})
    .sort()
    .slice(0, mostLabels);
  return {
    __meta_muster_id: Info.NodeID,
    __meta_muster_health: Muster.Health,
    __meta_muster_schedulable: String(Muster.Schedulable ?? true),
    __meta_muster_hostname: Info.Hostname ?? '',
    __meta_muster_version: Info.Agent?.Version ?? '',
    ...Object.fromEntries(
      labels.map(([key, value]) => [
        `__meta_muster_label_${key.replace(/[^A-Za-z0-9_]/g, '_').slice(0, mostCharacters)}`,
        value.slice(0, mostCharacters),
      ]),
    ),
  };
}

const ownLabel = (labels: Readonly<Record<string, string>>, key: string): string | undefined =>
  Object.hasOwn(labels, key) ? labels[key] : undefined;

const isPort = (text: string): boolean => /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535;
