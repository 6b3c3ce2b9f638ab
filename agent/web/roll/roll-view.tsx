// Shows the roll: all nodes, or those that the address chooses.

export function RollView() {
  return <h1>Nodes</h1>;
}
