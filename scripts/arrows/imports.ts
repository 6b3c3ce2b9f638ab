// Reads what the TypeScript files of a folder import: types, dynamic imports and re-exports too.
import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { parse, Visitor } from 'rolldown/utils';

export interface Import {
  readonly from: string;
  readonly line: number;
  /** The path of a file of the project, the name of a package, or `process.env` for a use of the environment. */
  readonly to: string;
}

/**
 * Returns the imports of `file`, a path below `root`, in the order of their lines.
 * @throws Error when the file cannot be read or is not TypeScript.
 */
export async function importsOf(root: string, file: string): Promise<Import[]> {
  const text = await readFile(join(root, file), 'utf8');
  const { program, errors } = await parse(file, text);
  if (errors[0]) throw new Error(`${file}: ${errors[0].message}`);
  const found: Import[] = [];
  const add = (start: number, to: string) => {
    found.push({ from: file, line: text.slice(0, start).split('\n').length, to });
  };
  const addSource = ({ start, source }: { start: number; source?: unknown }) => {
    const path = textOf(source);
    if (path !== undefined) add(start, resolved(file, path));
  };
  new Visitor({
    ImportDeclaration(declaration) {
      addSource(declaration);
      const names = declaration.specifiers.map(each =>
        'imported' in each ? textOf(each.imported) : undefined,
      );
      if (/^(?:node:)?process$/.test(declaration.source.value) && names.includes('env'))
        add(declaration.start, 'process.env');
    },
    ExportNamedDeclaration: addSource,
    ExportAllDeclaration: addSource,
    ImportExpression: addSource,
    TSImportType: addSource,
    MemberExpression({ start, object, property }) {
      if (isProcess(object) && textOf(property) === 'env') add(start, 'process.env');
    },
    VariableDeclarator({ start, id, init }) {
      if (!isProcess(init) || id.type !== 'ObjectPattern') return;
      if (id.properties.some(each => 'key' in each && textOf(each.key) === 'env')) add(start, 'process.env');
    },
  }).visit(program);
  return found.sort((a, b) => a.line - b.line);
}

/** Returns the name or the fixed text that a node of the syntax tree stands for; undefined when it is neither. */
function textOf(node: unknown): string | undefined {
  const { name, value, quasis } = (node ?? {}) as {
    name?: unknown;
    value?: unknown;
    quasis?: TemplatePart[];
  };
  const text = name ?? value ?? (quasis?.length === 1 ? quasis[0]?.value.cooked : undefined);
  return typeof text === 'string' ? text : undefined;
}

interface TemplatePart {
  value: { cooked: string | null };
}

/** Whether a node stands for the object `process`: by its name, or as a member of `globalThis`. */
function isProcess(node: unknown): boolean {
  const { object, property } = (node ?? {}) as { object?: unknown; property?: unknown };
  return (object === undefined ? textOf(node) : textOf(property)) === 'process';
}

function resolved(file: string, specifier: string): string {
  return specifier.startsWith('.') ? posix.join(posix.dirname(file), specifier) : specifier;
}
