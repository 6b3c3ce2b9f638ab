// Lists the keys of the page.
import { Dialog } from '../shell/dialog.tsx';

const keys: readonly [keys: string[], what: string][] = [
  [['/'], 'search'],
  [['j', 'k'], 'next and previous node; arrows, Page Up and Page Down, Home and End do as well'],
  [['Enter'], 'open the node'],
  [['x'], 'select the node, or take it out of the selection'],
  [['a'], 'approve'],
  [['r'], 'reject'],
  [['c'], 'cordon, or uncordon'],
  [['D'], 'drain'],
  [['l'], 'label'],
  [['d'], 'delete'],
  [['u'], 'go to the newest Undo, which Enter then presses'],
  [['Esc'], 'close a dialog, leave the search, or select nothing'],
  [['?'], 'this list'],
];

export function Help({ onClose }: { onClose(): void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl class="keys">
        {keys.map(([names, what]) => (
          <div key={what}>
            <dt>
              {names.map(name => (
                <kbd key={name}>{name}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <p class="dim">
        A decision is about the selected nodes, or about the node with the mark when none is selected.
      </p>
    </Dialog>
  );
}
