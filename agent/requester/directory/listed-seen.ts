// Shows a seen node as lists read it: what chooses and sorts nodes, and gives columns their widths, needs a small part of a view.
import type { BriefNode } from '../../protocol/listed-node.ts';
import type { FilteredNode } from '../../protocol/node-filter.ts';
import type { ConnectionStatus, NodeConnectionState, NodeState } from '../../protocol/node-state.ts';
import { conflictView, connectionOf, connectionStateOf, labelsOf } from './node-view.ts';
import type { SeenNode } from './seen-node.ts';

/** Each member is as in the view of the node, except that only the existence of a fingerprint is told. */
export class ListedSeen implements BriefNode, FilteredNode {
  readonly Info: NodeState['Info'];
  readonly Membership: NodeState['Membership'];
  readonly Connection: ConnectionStatus;
  readonly Muster: NonNullable<BriefNode['Muster']>;
  readonly #liveness: SeenNode['liveness'];
  #connectionState: NodeConnectionState | undefined;

  constructor({ state, health, silenceMs, liveness, conflict, pinnedKey, watches }: SeenNode) {
    const isLabelled = state.Muster?.Labels !== undefined;
    this.Info = isLabelled ? { ...state.Info, Labels: labelsOf(state) } : state.Info;
    this.Membership = state.Membership;
    this.Connection = connectionOf(state, health);
    this.Muster = {
      Health: health,
      Silence: silenceMs === undefined ? undefined : Math.round(silenceMs),
      Conflict: conflict && conflictView(conflict),
      Cordon: state.Muster?.Cordon,
      Watches: watches || undefined,
      Fingerprint: pinnedKey ? true : undefined,
    };
    this.#liveness = liveness;
  }

  /** Its times are texts, which cost more than all the rest. Of a healthy node nobody reads them. */
  get ConnectionState(): NodeConnectionState {
    this.#connectionState ??= connectionStateOf(this.Connection, this.#liveness);
    return this.#connectionState;
  }
}
