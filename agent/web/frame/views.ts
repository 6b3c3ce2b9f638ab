// The views of the page, in the order of the header. The frame shows the one that the address names.
import type { ComponentType } from 'preact';
import { ClusterView } from '../cluster/cluster-view.tsx';
import { NodeView } from '../node/node-view.tsx';
import { RollView } from '../roll/roll-view.tsx';
import { firstView, type Place } from '../shell/address.ts';

export interface View {
  /** The first word of its addresses. */
  readonly word: string;
  /** What the header calls it; absent when the header does not lead there. */
  readonly title?: string;
  /** Whether it shows nothing without a name. */
  readonly needsName?: boolean;
  /** Shows the view. `name` is what follows the word in the address. */
  readonly Show: ComponentType<{ name: string }>;
}

export const views: readonly View[] = [
  { word: 'nodes', title: 'Nodes', Show: RollView },
  { word: 'cluster', title: 'Cluster', Show: ClusterView },
  { word: 'node', needsName: true, Show: NodeView },
];

/** Returns the view of a place. The first one is shown for a word that is none, and for a name that is missing. */
export function viewAt({ view, name }: Place): View | undefined {
  const found = views.find(({ word, needsName }) => word === view && (!needsName || name !== ''));
  return found ?? views.find(({ word }) => word === firstView);
}
