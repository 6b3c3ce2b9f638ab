// Finds the imports that break a rule. The text of each fault names the rule and says what to do.
import { glob } from 'node:fs/promises';
import { dirname } from 'node:path';
import { circles } from './circles.ts';
import { type Import, importsOf } from './imports.ts';
import { floors, reserved, strangers } from './rules.ts';

/** Returns the faults of the project in folder `root`, each a text of a few lines. */
export async function faultsIn(root: string): Promise<string[]> {
  const files = await Array.fromAsync(glob('{agent,scripts,test}/**/*.{ts,tsx}', { cwd: root }));
  const imports = (await Promise.all(files.sort().map(file => importsOf(root, file)))).flat();
  return [
    ...imports.flatMap(each => [...strangerFaults(each), ...arrowFaults(each), ...reservedFaults(each)]),
    ...fileCircles(imports),
    ...folderCircles(imports),
  ];
}

function strangerFaults({ from, line, to }: Import): string[] {
  const broken = strangers.filter(rule => from.startsWith(`${rule.from}/`) && to.startsWith(`${rule.to}/`));
  return broken.map(
    rule => `${from}:${line}: ${rule.from}/ must not import ${rule.to}/ (${to}).
  ${rule.reason}
  Move what both need into ${rule.from}/.`,
  );
}

function arrowFaults({ from, line, to }: Import): string[] {
  const [importer, imported] = [folderOfAgent(from), folderOfAgent(to)];
  if (!importer || !imported || importer === imported) return [];
  const unknown = [importer, imported].find(each => floorOf(each) < 0);
  if (unknown)
    return [
      `${from}:${line}: agent/${unknown} has no place among the arrows.
  Give it one in scripts/arrows/rules.ts and in ARCHITECTURE.md.`,
    ];
  if (floorOf(importer) < floorOf(imported)) return [];
  const side = floorOf(importer) === floorOf(imported) ? ' beside it' : '';
  return [
    `${from}:${line}: ${importer} must not import ${imported}${side} (${to}).
  Imports go rightwards only: ${floors.map(floor => floor.join(' | ')).join(' → ')}
  Move what both need into a folder further right, or let the caller pass it in as a parameter.`,
  ];
}

function reservedFaults({ from, line, to }: Import): string[] {
  const broken = reserved.filter(
    ({ what, users }) =>
      from.startsWith('agent/') &&
      (to === what || to.startsWith(what.endsWith('/') ? what : `${what}/`)) &&
      !users.some(user => (user.endsWith('/') ? from.startsWith(user) : from === user)),
  );
  return broken.map(
    ({ what, users, instead }) => `${from}:${line}: only ${users.join(' and ')} may use ${what}.
  ${instead}`,
  );
}

function fileCircles(imports: readonly Import[]): string[] {
  return circles(graphOf(imports, file => file)).map(
    circle => `These files import each other in a circle:
${listed(circle, (file, next) => imports.filter(({ from, to }) => from === file && to === next))}
  Remove one of these imports: move what both need into a file of its own, or pass it in as a parameter.`,
  );
}

function folderCircles(imports: readonly Import[]): string[] {
  return circles(graphOf(imports, dirname)).map(
    circle => `These folders import each other in a circle (a subfolder is a folder of its own):
${listed(circle, (folder, next) => imports.filter(({ from, to }) => dirname(from) === folder && dirname(to) === next))}
  Remove the imports in one direction: move the files that both folders need into a folder that imports neither.`,
  );
}

/** Returns which names import which. `nameOf` gives the name of a file: its path or its folder. Packages are left out. */
function graphOf(imports: readonly Import[], nameOf: (file: string) => string): Map<string, Set<string>> {
  const graph = new Map<string, Set<string>>();
  for (const { from, to } of imports) {
    const [importer, imported] = [nameOf(from), nameOf(to)];
    if (/\.tsx?$/.test(to) && importer !== imported)
      graph.set(importer, (graph.get(importer) ?? new Set()).add(imported));
  }
  return graph;
}

/**
 * Returns the imports that lead from one name of the circle to the next, one line for each and at most five for each step.
 */
function listed(circle: readonly string[], between: (name: string, next: string) => Import[]): string {
  const steps = circle.flatMap((name, index) => {
    const next = circle[(index + 1) % circle.length] ?? name;
    const imports = between(name, next);
    const lines = imports.slice(0, 5).map(({ from, line, to }) => `  ${from}:${line} imports ${to}`);
    const rest = imports.length - lines.length;
    return rest > 0 ? [...lines, `  and ${rest} more from ${name} to ${next}`] : lines;
  });
  return steps.join('\n');
}

const folderOfAgent = (path: string): string | undefined => /^agent\/([^/]+)/.exec(path)?.[1];

const floorOf = (folder: string): number => floors.findIndex(floor => floor.includes(folder));
