// Finds circles in a graph of names.

export type Graph = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * Returns circles of the graph. Every name that lies on a circle is in at least one of them. Each circle is the shortest
 * one through its first name, which is not repeated at its end.
 */
export function circles(graph: Graph): string[][] {
  const found: string[][] = [];
  const covered = new Set<string>();
  for (const name of [...graph.keys()].sort()) {
    if (covered.has(name)) continue;
    const circle = shortestCircle(graph, name);
    for (const each of circle) covered.add(each);
    if (circle.length > 0) found.push(circle);
  }
  return found;
}

/** Returns the shortest way from `start` back to `start`; empty when there is none. */
function shortestCircle(graph: Graph, start: string): string[] {
  const ways: string[][] = [[start]];
  const reached = new Set<string>();
  for (const way of ways)
    for (const next of graph.get(way.at(-1) ?? start) ?? []) {
      if (next === start) return way;
      if (reached.has(next)) continue;
      reached.add(next);
      ways.push([...way, next]);
    }
  return [];
}
