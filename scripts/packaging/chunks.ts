// Says which chunk of the program each module belongs to. A chunk is read and compiled as a whole, so it consists of the
// modules that the same uses need: no command pays for what only others need.
import { checkout } from './checkout.ts';

/** What each start needs. */
const start = ['main', 'cli/commands/version'];

/** The uses of the program that are worth chunks of their own: those that last, those that scripts call, and large parts. */
const uses: Readonly<Record<string, readonly string[]>> = {
  agent: ['cli/commands/agent', 'cli/line/setting-flags', 'config/load', 'host/native/native-probe'],
  requester: ['cli/commands/requester', 'cli/line/setting-flags', 'config/load'],
  client: [
    'cli/commands/node/list',
    'cli/commands/node/describe',
    'cli/commands/status',
    'cli/line/setting-flags',
    'config/load',
  ],
  inventory: ['cli/commands/inventory-child'],
  yaml: ['config/yaml'],
};

/**
 * Returns whether a chunk, such as `agent-requester.cjs`, has a code cache: when something that starts often needs it. The cache is
 * four times as large as the chunk.
 */
export const isCached = (fileName: string): boolean =>
  /(^|-)(start|runtime|agent|(?<!prom-)client|inventory|yaml)[-.]/.test(fileName);

/** Returns what a module imports, without what it imports later by `import()`; undefined for an unknown module. */
export type ImportsOf = (id: string) => readonly string[] | undefined;

/**
 * Returns the name of the chunk of a module, by the module's id, such as `agent-requester`. It returns undefined for a module that
 * none of the uses needs: such modules get small chunks by the bundler's own rule.
 * @throws Error when a module of the lists is gone.
 */
export function chunkOf(importsOf: ImportsOf): (id: string) => string | undefined {
  const atStart = reach(start, importsOf);
  const reached = Object.entries(uses).map(([use, modules]) => [use, reach(modules, importsOf)] as const);
  return id => {
    // The chunks need the bundler's own functions first.
    if (id.startsWith('\0rolldown/')) return 'runtime';
    if (atStart.has(id)) return 'start';
    const needed = reached.filter(([, modules]) => modules.has(id)).map(([use]) => use);
    return needed.join('-') || undefined;
  };
}

/** Returns these modules of agent/ and everything that they import. */
function reach(modules: readonly string[], importsOf: ImportsOf): ReadonlySet<string> {
  const found = new Set<string>();
  const waiting = modules.map(name => `${checkout}/agent/${name}.ts`);
  for (const id of waiting) if (!importsOf(id)) throw new Error(`there is no module ${id} for a chunk`);
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    if (found.has(id)) continue;
    found.add(id);
    waiting.push(...(importsOf(id) ?? []));
  }
  return found;
}
